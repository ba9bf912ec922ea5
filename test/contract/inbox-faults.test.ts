import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { InboxStore } from '../../src/inbox/inbox-store';
import { type LocalCloudEngine, localCloud } from '../engines/local-cloud-engine';
import type { Fault } from '../local-cloud/fault-plan';
import { notedLog } from '../support/noted-log';
import { ContractRun } from './contract-run';
import { CALLED_KEY, INBOX_CALLS, readAll } from './inbox-calls';
import { codeOf, NEVER, StoreRun } from './store-run';

const MIB = 1024 * 1024;
const BYTES = randomBytes(3 * MIB);
const STALL_MS = 1_000;

/** What goes wrong on the way, and what only the local cloud can be made to do. */
describe('inbox store, when things go wrong', () => {
  const run = new ContractRun(localCloud);
  const s = new StoreRun(run);
  beforeAll(async () => {
    await run.start();
    await s.start();
  });
  afterAll(async () => {
    s.stop();
    await run.stop();
  });
  const cloud = () => (run.engine as LocalCloudEngine).cloud;
  const arm = (fault: Fault) => cloud().faults.add(fault);
  afterEach(() => cloud().faults.clear());
  const version = (etag: string) => ({ etag, sizeBytes: BYTES.length, checksums: {} });
  const isThere = async (store: InboxStore, key: string) => (await store.find(key, NEVER)) !== undefined;

  describe('an answer', () => {
    test('that breaks off is S3_UNREACHABLE, and what came of it is right', async () => {
      const etag = await s.place('broken', BYTES);
      arm({ kind: 'truncate', operation: 'GetObject' });
      const came: Buffer[] = [];
      const reading = (async () => {
        for await (const bytes of await s.inbox().file('broken').open(version(etag), 0, NEVER)) came.push(bytes);
      })();
      expect(await codeOf(reading)).toBe('S3_UNREACHABLE');
      const at = Buffer.concat(came).length;
      came.push(...(await readAll(await s.inbox().file('broken').open(version(etag), at, NEVER))));
      expect(Buffer.concat(came).equals(BYTES)).toBe(true);
    });

    test('that never begins is given up in time', async () => {
      const etag = await s.place('silent', BYTES);
      arm({ kind: 'stall', operation: 'GetObject' });
      const opened = s.inbox({ stallMs: STALL_MS }).file('silent').open(version(etag), 0, NEVER);
      expect(await codeOf(opened)).toBe('S3_UNREACHABLE');
    });

    test('that stops in the middle is given up in time', async () => {
      const endpoint = await new HalfAnswers().start();
      const body = await s
        .inbox({ endpoint: endpoint.url, stallMs: STALL_MS })
        .file('half')
        .open(version('"x"'), 0, NEVER);
      expect(await codeOf(readAll(body))).toBe('S3_UNREACHABLE');
      endpoint.stop();
    });

    test('is waited for by the disk, however long that takes', async () => {
      const etag = await s.place('slow disk', BYTES);
      const came: Buffer[] = [];
      for await (const bytes of await s.inbox({ stallMs: STALL_MS }).file('slow disk').open(version(etag), 0, NEVER)) {
        if (came.length === 0) await pause(4 * STALL_MS); // the disk
        came.push(bytes);
      }
      expect(Buffer.concat(came).equals(BYTES)).toBe(true);
    });

    test('ends when we stop, in the middle', async () => {
      const endpoint = await new HalfAnswers().start();
      const stopping = new AbortController();
      const body = await s.inbox({ endpoint: endpoint.url }).file('half').open(version('"x"'), 0, stopping.signal);
      const reading = (async () => {
        for await (const _ of body) stopping.abort();
      })();
      expect(await codeOf(reading)).toBe('STOPPING');
      endpoint.stop();
    });
  });

  describe.each(INBOX_CALLS)('%s', (name, call) => {
    const operation = {
      list: 'ListObjectsV2',
      find: 'HeadObject',
      findOther: 'GetObject',
      'file.open': 'GetObject',
      copy: 'CopyObject',
      remove: 'DeleteObject',
    }[name]!;

    test.each([
      ['slowDown', 'S3_THROTTLED'],
      ['internalError', 'S3_INTERNAL'],
      ['drop', 'S3_UNREACHABLE'],
      ['dropAfter', 'S3_UNREACHABLE'],
      ['stall', 'S3_UNREACHABLE'],
    ] as const)('%s is %s, and the next try does it', async (kind, code) => {
      const etag = await s.place(CALLED_KEY, 'bytes');
      // Only where nothing comes is it to be given up soon: on a busy machine an answer takes its time.
      const fault = arm({ kind, operation });
      const asked = s.inbox(kind === 'stall' ? { stallMs: STALL_MS } : {});
      expect(await codeOf(call(asked, version(etag)))).toBe(code);
      fault.remove();
      const store = s.inbox({});
      await call(store, version(etag));
      expect(await isThere(store, CALLED_KEY)).toBe(name !== 'remove');
    });
  });

  test('what is polled by name is asked for over one connection', async () => {
    const etag = await s.place('polled', BYTES);
    const relay = new Relay(cloud().s3Port);
    const store = s.inbox({ endpoint: `https://127.0.0.1:${await relay.start()}` });
    const found: unknown[] = [];
    for (const known of [undefined, etag, '"another"', undefined, etag])
      found.push(await store.findOther('polled', known, NEVER).catch((error: unknown) => error));
    relay.stop();
    expect(found).toEqual([etag, 'same', etag, etag, 'same']);
    expect(relay.connections).toBe(1);
  });

  describe('a copy', () => {
    test('answered with 200 and an error is not made', async () => {
      const etag = await s.place('late', BYTES);
      arm({ kind: 'error200', operation: 'CopyObject' });
      expect(await codeOf(s.inbox().copy('late', version(etag), 'late-copy', false, NEVER))).toMatch(/^S3_/);
      expect(await isThere(s.inbox(), 'late-copy')).toBe(false);
    });

    test.each([
      ['error200', 'UploadPartCopy'],
      ['error200', 'CompleteMultipartUpload'],
      ['internalError', 'UploadPartCopy'],
      ['drop', 'CompleteMultipartUpload'],
    ] as const)(
      'in parts that ends in %s of %s leaves nothing behind, and is made by the next try',
      async (kind, operation) => {
        const etag = await s.place('parts', BYTES, { Metadata: { mode: '100640' } });
        const store = s.inbox({ copyMaxBytes: MIB });
        const to = `parts-${kind}-${operation}`;
        arm({ kind, operation });
        expect(await codeOf(store.copy('parts', version(etag), to, false, NEVER))).toMatch(/^S3_/);
        expect(await isThere(store, to)).toBe(false);
        const { Uploads = [] } = await s.s3.send(new ListMultipartUploadsCommand({ Bucket: run.bucket }));
        expect(Uploads).toEqual([]);
        await store.copy('parts', version(etag), to, false, NEVER);
        expect(await store.find(to, NEVER)).toMatchObject({ sizeBytes: BYTES.length, mode: 0o640 });
      },
    );

    test('in parts whose leftover cannot be aborted fails all the same, and says so', async () => {
      const etag = await s.place('leftover', BYTES);
      const log = notedLog();
      arm({ kind: 'internalError', operation: 'UploadPartCopy' });
      arm({ kind: 'error', operation: 'AbortMultipartUpload', code: 'AccessDenied' });
      const copy = s.inbox({ copyMaxBytes: MIB, log }).copy('leftover', version(etag), 'leftover-copy', false, NEVER);
      expect(await codeOf(copy)).toBe('S3_INTERNAL');
      expect(log.said('a copy in parts could not be aborted')).toHaveLength(1);
    });

    test('tries tags once, where they are denied', async () => {
      const may = {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:PutObject'],
        Resource: 'arn:aws:s3:::$BUCKET/*',
      } as const;
      const store = s.inbox({}, await run.issueKeys([may]));
      const etag = await s.place('tagged', BYTES, { Tagging: 'a=b' });
      const before = cloud().requests.length;
      await store.copy('tagged', version(etag), 'tagged-1', false, NEVER);
      await store.copy('tagged', version(etag), 'tagged-2', false, NEVER);
      expect(
        cloud()
          .requests.slice(before)
          .map(({ status }) => status),
      ).toEqual([403, 200, 200]);
    });
  });
});

/** Counts connections on their way to S3. */
class Relay {
  connections = 0;
  readonly #open = new Set<Socket>();
  readonly #server = createRelay((near) => {
    this.connections += 1;
    const far = connect(this.to, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(from);
      from.on('error', () => to.destroy()).pipe(to);
    }
  });

  constructor(private readonly to: number) {}

  async start(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }
}

/** Says that there is more, and never sends it. */
class HalfAnswers {
  readonly #server: Server = createServer((_, response) => {
    response.writeHead(200, { etag: '"x"', 'content-length': String(BYTES.length) });
    response.write(BYTES.subarray(0, MIB));
  });

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return this;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
