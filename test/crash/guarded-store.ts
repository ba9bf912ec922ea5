import type { Body } from '../../src/upload/body';
import type { ObjectAttributes } from '../../src/upload/object-attributes';
import type { DigestNeeds, ListedPart, Multipart, ObjectInfo, ObjectStore, Whole } from '../../src/upload/object-store';
import type { Part, SentPart } from '../../src/upload/part-plan';
import type { CrashPoint } from './crash-point';

export interface StoreObserver {
  /** Before the call, whether it will be made or not. */
  onCall(name: string, key: string): Promise<void>;
  /** An object of ours lies there now; heard or not. */
  onDelivered(key: string): Promise<void>;
  /** S3 has taken these bytes; heard or not. */
  onArrived(what: string): void;
  /** S3 has begun a multipart upload; heard or not. */
  onCreated(id: string): void;
  /** It may have: the connection was cut before the answer. */
  onCreateCut(key: string): void;
}

/** S3 as one incarnation of the process sees it: each call may be its last. */
export class GuardedStore implements ObjectStore {
  constructor(
    private readonly store: ObjectStore,
    private readonly crash: CrashPoint,
    private readonly observer: StoreObserver,
  ) {}

  get digestNeeds(): DigestNeeds {
    return this.store.digestNeeds;
  }

  putObject(attributes: ObjectAttributes, body: Body, onlyIfAbsent: boolean, signal: AbortSignal): Promise<void> {
    return this.#call('putObject', attributes.key, async () => {
      await this.store.putObject(attributes, body, onlyIfAbsent, signal);
      this.observer.onArrived(`${attributes.key} whole ${body.crc32}`);
      await this.observer.onDelivered(attributes.key);
    });
  }

  createMultipart(attributes: ObjectAttributes, signal: AbortSignal): Promise<string> {
    return this.#call('createMultipart', attributes.key, async () => {
      const id = await this.store.createMultipart(attributes, signal).catch((error: unknown) => {
        this.observer.onCreateCut(attributes.key);
        throw error;
      });
      this.observer.onCreated(id);
      return id;
    });
  }

  uploadPart(upload: Multipart, part: Part, body: Body, signal: AbortSignal): Promise<string> {
    return this.#call('uploadPart', upload.key, async () => {
      const etag = await this.store.uploadPart(upload, part, body, signal);
      this.observer.onArrived(`${upload.key} part ${part.number} ${body.crc32}`);
      return etag;
    });
  }

  listParts(upload: Multipart, signal: AbortSignal): Promise<ListedPart[]> {
    return this.#call('listParts', upload.key, () => this.store.listParts(upload, signal));
  }

  completeMultipart(
    upload: Multipart,
    parts: readonly SentPart[],
    whole: Whole,
    onlyIfAbsent: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#call('completeMultipart', upload.key, async () => {
      await this.store.completeMultipart(upload, parts, whole, onlyIfAbsent, signal);
      await this.observer.onDelivered(upload.key);
    });
  }

  abortMultipart(upload: Multipart, signal: AbortSignal): Promise<void> {
    return this.#call('abortMultipart', upload.key, () => this.store.abortMultipart(upload, signal));
  }

  findObject(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#call('findObject', key, () => this.store.findObject(key, signal));
  }

  async #call<T>(name: string, key: string, real: () => Promise<T>): Promise<T> {
    await this.observer.onCall(name, key);
    return this.crash.call(name, real);
  }
}
