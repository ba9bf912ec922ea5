import type { RemoteFile, RemoteVersion } from '../../src/download/remote-object';
import type { InboxStore, ListedObject, RemoteObject } from '../../src/inbox/inbox-store';
import type { CrashPoint } from './crash-point';

export interface InboxObserver {
  /** Before the call, whether it will be made or not. */
  onCall(name: string, key: string): Promise<void>;
  /** Bytes of an object have come; whether they are kept or not. */
  onBytes(key: string, etag: string, bytes: number): void;
  /** The object is about to be deleted. */
  onRemove(key: string, etag: string): Promise<void>;
}

/** Of the body every so many bytes are a call. */
const READ_BYTES = 1024 * 1024;

/** The bucket as files come down from it to one incarnation of the process: each call may be its last. */
export class GuardedInbox implements InboxStore {
  constructor(
    private readonly store: InboxStore,
    private readonly crash: CrashPoint,
    private readonly observer: InboxObserver,
  ) {}

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]> {
    const pages = this.store.list(prefix, signal)[Symbol.asyncIterator]();
    for (;;) {
      const page = await this.#call('list', prefix, () => pages.next());
      if (page.done === true) return;
      yield page.value;
    }
  }

  find(key: string, signal: AbortSignal): Promise<RemoteObject | undefined> {
    return this.#call('find', key, () => this.store.find(key, signal));
  }

  findOther(key: string, known: string | undefined, signal: AbortSignal): Promise<string | 'same' | undefined> {
    return this.#call('findOther', key, () => this.store.findOther(key, known, signal));
  }

  file(key: string): RemoteFile {
    const file = this.store.file(key);
    return {
      open: async (version, fromByte, signal) => {
        const bytes = await this.#call('open', key, () => file.open(version, fromByte, signal));
        return this.#read(key, version, bytes);
      },
    };
  }

  copy(key: string, version: RemoteVersion, to: string, onlyIfAbsent: boolean, signal: AbortSignal): Promise<void> {
    return this.#call('copy', key, () => this.store.copy(key, version, to, onlyIfAbsent, signal));
  }

  remove(key: string, etag: string, signal: AbortSignal): Promise<void> {
    return this.#call('remove', key, async () => {
      await this.observer.onRemove(key, etag);
      await this.store.remove(key, etag, signal);
    });
  }

  async *#read(key: string, { etag }: RemoteVersion, bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const real = bytes[Symbol.asyncIterator]();
    const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
      const read = await real.next();
      if (read.done !== true) this.observer.onBytes(key, etag, read.value.length);
      return read;
    };
    try {
      for (let sinceCall = READ_BYTES; ; ) {
        const isCall = sinceCall >= READ_BYTES;
        const read = await (isCall ? this.#call('read', key, next) : next());
        if (read.done === true) return;
        sinceCall = (isCall ? 0 : sinceCall) + read.value.length;
        yield read.value;
      }
    } finally {
      await real.return?.();
    }
  }

  async #call<T>(name: string, key: string, real: () => Promise<T>): Promise<T> {
    await this.observer.onCall(name, key);
    return this.crash.call(name, real);
  }
}
