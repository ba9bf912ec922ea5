import { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { MqttBus } from '../../src/aws/mqtt/mqtt-bus';
import { SignedUrlFiles } from '../../src/aws/s3/signed-url-files';
import { alive } from './alive';
import { guardedBytes } from './guarded-bytes';
import { unsynced } from './unsynced';

export interface JobsObserver {
  /** It is about to be said, unless the process dies of it. */
  onSay(topic: string, payload: Buffer): void;
  /** Bytes of a file have come by its URL; whether they are kept or not. */
  onBytes(url: URL, bytes: number): void;
}

type Spawn = (this: ChildProcess, options: { readonly file: string }) => number;
type WithSpawn = { spawn: Spawn };

/** Ways out of the process that jobs take, and nobody else: each call may be its last. @returns takes that away */
export function guardJobs(observer: JobsObserver): () => void {
  const { publish, subscribe } = MqttBus.prototype;
  const { get } = SignedUrlFiles.prototype;
  const { mkdirSync, rmdirSync, rmSync } = fs;
  const { copyFile, open } = promises;
  const child = ChildProcess.prototype as unknown as WithSpawn;
  const { spawn } = child;
  MqttBus.prototype.publish = function guarded(this: MqttBus, topic, payload) {
    return alive.crash.call(`say ${topic.split('/').at(-1)}`, () => {
      observer.onSay(topic, payload);
      return publish.call(this, topic, payload);
    });
  };
  MqttBus.prototype.subscribe = function guarded(this: MqttBus, ...given) {
    return alive.crash.call('subscribe', () => subscribe.apply(this, given));
  };
  SignedUrlFiles.prototype.get = async function guarded(this: SignedUrlFiles, url, ...given) {
    const answer = await alive.crash.call('get', () => get.call(this, url, ...given));
    const call = <T>(real: () => Promise<T>): Promise<T> => alive.crash.call('read', real);
    return { ...answer, body: guardedBytes(answer.body, call, (bytes) => observer.onBytes(url, bytes)) };
  };
  Object.assign(fs, {
    mkdirSync: (path: fs.PathLike, options: fs.MakeDirectoryOptions) =>
      isStaging(path) ? alive.crash.callSync('mkdir', () => mkdirSync(path, options)) : mkdirSync(path, options),
    rmdirSync: (path: fs.PathLike) =>
      isStaging(path) ? alive.crash.callSync('rmdir', () => rmdirSync(path)) : rmdirSync(path),
    rmSync: (path: fs.PathLike, options: fs.RmOptions) =>
      isStaging(path) || isCopy(path) ? alive.crash.callSync('rm', () => rmSync(path, options)) : rmSync(path, options),
  });
  Object.assign(promises, {
    copyFile: (from: string, to: string, mode: number) => alive.crash.call('copy', () => copyFile(from, to, mode)),
    open: async (path: fs.PathLike, ...given: [flags?: number, mode?: number]) => {
      if (!isStaging(path)) return open(path, ...given);
      let handle: Awaited<ReturnType<typeof open>> | undefined;
      const real = async (): Promise<unknown> => {
        handle = await open(path, ...given);
        return handle;
      };
      return alive.crash.call('open file', real).catch(async (error: unknown) => {
        await handle?.close();
        throw error;
      });
    },
  });
  child.spawn = function guarded(options) {
    if (options.file !== 'sync') return spawn.call(this, options);
    alive.crash.callSync('sync of all', () => undefined);
    const synced = unsynced.mark();
    this.once('exit', (code) => {
      if (code === 0) synced();
    });
    return spawn.call(this, options);
  };
  return () => {
    Object.assign(MqttBus.prototype, { publish, subscribe });
    SignedUrlFiles.prototype.get = get;
    Object.assign(fs, { mkdirSync, rmdirSync, rmSync });
    Object.assign(promises, { copyFile, open });
    child.spawn = spawn;
  };
}

const isStaging = (path: fs.PathLike): boolean => pathOf(path).includes('/.courier-job-');
const isCopy = (path: fs.PathLike): boolean => pathOf(path).includes('/collected/');

/** Also of what is reached by the handle of an open folder. */
function pathOf(path: fs.PathLike): string {
  const [, fd, rest] = /^(\/proc\/self\/fd\/\d+)\/(.*)$/s.exec(String(path)) ?? [];
  return fd === undefined ? String(path) : `${fs.readlinkSync(fd)}/${rest}`;
}
