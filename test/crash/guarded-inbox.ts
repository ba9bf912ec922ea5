import type { RemoteFile, RemoteVersion } from '../../src/download/remote-object';
import type { InboxStore, ListedObject, RemoteObject } from '../../src/inbox/inbox-store';
import type { CrashPoint } from './crash-point';
import { guardedBytes } from './guarded-bytes';

export interface InboxObserver {
  /** Before the call, whether it will be made or not. */
  onCall(name: string, key: string): Promise<void>;
  /** Bytes of an object have come; whether they are kept or not. */
  onBytes(key: string, etag: string, bytes: number): void;
  /** The object is about to be deleted. */
  onRemove(key: string, etag: string): Promise<void>;
}

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
        const call = <T>(real: () => Promise<T>): Promise<T> => this.#call('read', key, real);
        return guardedBytes(bytes, call, (count) => this.observer.onBytes(key, version.etag, count));
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

  async #call<T>(name: string, key: string, real: () => Promise<T>): Promise<T> {
    await this.observer.onCall(name, key);
    return this.crash.call(name, real);
  }
}
