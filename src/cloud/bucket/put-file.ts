import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { crc32, findCrc32 } from '../../domain/crc32';
import { METADATA } from '../../domain/object-metadata';
import { CloudError } from '../cloud-error';
import { type LocalFile, quoted } from '../files/local-files';
import { readUnchanged } from '../files/read-unchanged';
import type { Bucket } from './bucket';

export interface FileToPut {
  readonly file: LocalFile;
  readonly key: string;
  /** Of this object and no other. */
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** In hex: what it has to be, where that is known. */
  readonly sha256?: string;
  /** What is there stays. */
  readonly onlyIfAbsent: boolean;
}

/** Something is there, and is not to be replaced. */
export class KeyTakenError extends Error {}

const PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;
const PARTS_AT_ONCE = 4;
/** Of all parts under way. */
const MEMORY_BYTES = 256 * 1024 * 1024;
const DISCARD_MS = 10_000;
/** What our own lost success looks like when the request is repeated. */
const MAYBE_OURS: ReadonlySet<string> = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchUpload']);

/**
 * Puts a file into the bucket, in parts where it is large: whole, with a checksum of the whole that S3 has verified, or
 * not at all.
 * @throws CloudError; KeyTakenError
 */
export async function putFile(
  bucket: Bucket,
  order: FileToPut,
  onBytes: (doneBytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { file, key } = order;
  const content = new WholeFile(order);
  const body = Readable.from(content.read());
  body.on('error', () => undefined); // it may read ahead of an upload that has failed already
  const upload = makeUpload(bucket, order, body);
  upload.on('httpUploadProgress', ({ loaded }) => onBytes(Math.min(loaded ?? 0, file.sizeBytes)));
  const abort = (): void => void upload.abort().catch(() => undefined);
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    const { ChecksumCRC32 } = await bucket.ask('s3:PutObject', key, () => upload.done());
    content.compare(ChecksumCRC32);
  } catch (error) {
    if (await isOurs(bucket, order, error)) return;
    await discardParts(bucket, key, upload.uploadId);
    signal.throwIfAborted();
    if ((error as Error).name === 'PreconditionFailed') throw new KeyTakenError(key);
    throw content.failure ?? error;
  } finally {
    signal.removeEventListener('abort', abort);
    body.destroy();
  }
}

function makeUpload({ s3, at }: Bucket, { file, key, id, metadata, onlyIfAbsent }: FileToPut, body: Readable): Upload {
  const partSize = Math.max(PART_BYTES, Math.ceil(file.sizeBytes / MAX_PARTS));
  return new Upload({
    client: s3,
    partSize,
    queueSize: Math.max(1, Math.min(PARTS_AT_ONCE, Math.floor(MEMORY_BYTES / partSize))),
    leavePartsOnError: true, // discarded by us: a refusal of that must not hide what it came of
    params: {
      ...at,
      Key: key,
      Body: body,
      ContentLength: file.sizeBytes,
      ChecksumAlgorithm: 'CRC32',
      // Of the whole, which whoever fetches it can compare; in parts S3 would keep one of their checksums.
      ...(file.sizeBytes > partSize ? { ChecksumType: 'FULL_OBJECT' } : {}),
      Metadata: { [METADATA.uploadId]: id, ...metadata },
      ...(onlyIfAbsent ? { IfNoneMatch: '*' } : {}),
    },
  });
}

/** The bytes that go, and what they come to. Nothing is completed before they have come to their end. */
class WholeFile {
  /** What kept them from being read: it is why the upload has failed, whatever that says. */
  failure: Error | undefined;
  #crc32 = 0;

  constructor(private readonly order: FileToPut) {}

  async *read(): AsyncGenerator<Buffer, void, void> {
    const { file, sha256 } = this.order;
    const hash = sha256 === undefined ? undefined : createHash('sha256');
    try {
      for await (const chunk of readUnchanged(file)) {
        this.#crc32 = crc32(chunk, this.#crc32);
        hash?.update(chunk);
        yield chunk;
      }
      if (hash !== undefined && hash.digest('hex') !== sha256)
        throw new CloudError(
          `${quoted(file.path)} has other content than a moment ago; nothing of it was sent: do it again when it is finished`,
        );
    } catch (error) {
      this.failure = error as Error;
      throw error;
    }
  }

  /** @param told by S3 of what it has, where it does */
  compare(told: string | undefined): void {
    const stored = findCrc32(told);
    if (stored !== undefined && stored !== this.#crc32)
      throw new CloudError(
        `S3 has something else than ${quoted(this.order.file.path)} under ${this.order.key}; remove that object, and do it again`,
      );
  }
}

async function isOurs(bucket: Bucket, { key, id }: FileToPut, error: unknown): Promise<boolean> {
  if (!MAYBE_OURS.has((error as Error).name)) return false;
  try {
    return (await bucket.head(key))?.Metadata?.[METADATA.uploadId] === id;
  } catch {
    return false; // what went wrong first is what is told
  }
}

/** As far as we may: a lifecycle rule of the bucket does it otherwise. */
async function discardParts({ s3, at }: Bucket, Key: string, UploadId: string | undefined): Promise<void> {
  if (UploadId === undefined) return;
  const abortSignal = AbortSignal.timeout(DISCARD_MS);
  await s3.send(new AbortMultipartUploadCommand({ ...at, Key, UploadId }), { abortSignal }).catch(() => undefined);
}
