import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { NullS3Command, NullS3Event, NullS3Report, NullS3Setup } from './null-s3-protocol';

type EventOf<Name extends NullS3Event['event']> = Extract<NullS3Event, { event: Name }>;

/** The null S3 in a process of its own, seen from the bench. */
export class NullS3Process {
  private constructor(
    private readonly child: ChildProcess,
    readonly s3Port: number,
    readonly credentialsPort: number,
  ) {}

  static async start(setup: NullS3Setup): Promise<NullS3Process> {
    const child = fork(join(__dirname, 'null-s3.ts'));
    const listening = nextEvent(child, 'listening');
    child.send({ command: 'set-up', setup } satisfies NullS3Command);
    const { s3Port, credentialsPort } = await listening;
    return new NullS3Process(child, s3Port, credentialsPort);
  }

  /** Resolves when all is forgotten; `arrived` does so once that many objects are there. */
  async expect(objects: number): Promise<{ readonly arrived: Promise<void> }> {
    const ready = nextEvent(this.child, 'ready');
    const arrived = nextEvent(this.child, 'all-arrived').then(() => undefined);
    arrived.catch(() => undefined); // a competitor that fails never gets there, and nobody waits for it
    this.child.send({ command: 'expect', objects } satisfies NullS3Command);
    await ready;
    return { arrived };
  }

  guard(pid: number | null): void {
    this.child.send({ command: 'guard', pid } satisfies NullS3Command);
  }

  async report(): Promise<NullS3Report> {
    const event = nextEvent(this.child, 'report');
    this.child.send({ command: 'report' } satisfies NullS3Command);
    return (await event).report;
  }

  async stop(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.disconnect();
    await exit;
  }
}

function nextEvent<Name extends NullS3Event['event']>(child: ChildProcess, name: Name): Promise<EventOf<Name>> {
  return new Promise((resolve, reject) => {
    const onMessage = (event: NullS3Event): void => {
      if (event.event !== name) return;
      end();
      resolve(event as EventOf<Name>);
    };
    const onExit = (code: number | null): void => {
      end();
      reject(new Error(`the null S3 ended with ${code}`));
    };
    const end = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
