import type { IncomingMessage } from 'node:http';
import type { Authenticated } from './authenticate';
import type { BlobSlice, BlobStore } from './blob-store';
import { BodyDigests, type ReceivedDigests } from './body-digests';
import { type ChecksumAlgorithm, findChecksumHeaders } from './checksums';
import { ChunkedDecoder, incompleteBody } from './chunked-decoder';
import type { RequestHead } from './request-head';
import { invalidArgument, notImplemented, S3Error } from './s3-error';

/** Up to here a body is kept in memory and written by one call. */
const WHOLE_BYTES = 256 * 1024;

export interface BodyRules {
  maxBytes: number;
  /** computed in any case, besides what the request names */
  keepChecksum?: ChecksumAlgorithm;
  /** in Complete the checksum headers speak of the object, not of the request's document */
  checksumsOfObject?: true;
  /** where the body goes; without it into memory */
  blobs?: BlobStore;
}

export interface BodyConditions {
  /** silence of so many milliseconds is answered RequestTimeout */
  idleMs: number;
  /** flip one bit before anything is verified */
  corrupt: boolean;
  /** destroy the socket once so many bytes have come in */
  dropAfterBytes: number | undefined;
  onBytes: (count: number) => void;
  /** the head has been found good: the body may come */
  onReady: () => void;
}

export interface ReceivedBody extends ReceivedDigests {
  /** empty when the body went to disk */
  bytes: Buffer;
  slices: BlobSlice[];
}

interface Framing {
  /** bytes of the body itself, without aws-chunked framing */
  sizeBytes: number;
  decoder: ChunkedDecoder | undefined;
}

/** What the head alone says about the body. */
function checkFraming(head: RequestHead, auth: Authenticated, rules: BodyRules): Framing {
  const mode = auth.payloadHash;
  const streaming = /^STREAMING-(?:AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?|UNSIGNED-PAYLOAD(-TRAILER))$/.exec(mode);
  if (streaming === null && mode !== 'UNSIGNED-PAYLOAD' && !/^[0-9a-f]{64}$/.test(mode)) {
    throw invalidArgument(
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
      'x-amz-content-sha256',
      mode,
    );
  }
  if (streaming === null && head.headers['transfer-encoding'] !== undefined) throw notImplemented('Transfer-Encoding');
  const withTrailer = streaming?.[1] !== undefined || streaming?.[2] !== undefined;
  if (withTrailer !== (head.headers['x-amz-trailer'] !== undefined)) {
    throw new S3Error('InvalidRequest', 'x-amz-trailer and a payload with trailer belong together');
  }
  const name = streaming === null ? 'content-length' : 'x-amz-decoded-content-length';
  const length = head.headers[name];
  if (length === undefined || !/^\d+$/.test(length)) {
    throw new S3Error(
      'MissingContentLength',
      `You must provide the ${name === 'content-length' ? 'Content-Length' : name} HTTP header.`,
    );
  }
  const sizeBytes = Number(length);
  if (sizeBytes > rules.maxBytes) {
    throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      ProposedSize: sizeBytes,
      MaxSizeAllowed: rules.maxBytes,
    });
  }
  if (streaming === null) return { sizeBytes, decoder: undefined };
  const signed = mode.startsWith('STREAMING-AWS4');
  const { amzDate, scope, signature: seedSignature } = auth.claim;
  return {
    sizeBytes,
    decoder: new ChunkedDecoder(signed ? { key: auth.key, amzDate, scope, seedSignature } : undefined, withTrailer),
  };
}

/** Takes the body in one pass: framing off, digests over it, bytes to memory or disk. Throws when anything disagrees. */
export async function receiveBody(
  request: IncomingMessage,
  head: RequestHead,
  auth: Authenticated,
  rules: BodyRules,
  conditions: BodyConditions,
): Promise<ReceivedBody> {
  const { sizeBytes, decoder } = checkFraming(head, auth, rules);
  const digests = new BodyDigests(
    rules.checksumsOfObject ? undefined : findChecksumHeaders(head.headers),
    head.headers['content-md5'],
    auth.payloadHash,
    rules.keepChecksum,
  );
  const sink = rules.blobs !== undefined && sizeBytes > WHOLE_BYTES ? new FileSink(rules.blobs) : new MemorySink();
  conditions.onReady();
  let received = 0;
  let flipAt = conditions.corrupt ? Math.floor(sizeBytes / 2) : -1;
  const take = (data: Buffer): void => {
    if (received + data.length > sizeBytes) throw incompleteBody();
    if (flipAt >= received && flipAt < received + data.length) {
      data[flipAt - received]! ^= 1;
      flipAt = -1;
    }
    received += data.length;
    digests.update(data);
    sink.write(data, request);
  };
  try {
    await readAll(request, conditions, (chunk) => (decoder === undefined ? take(chunk) : decoder.push(chunk, take)));
    decoder?.end();
    if (received !== sizeBytes) throw incompleteBody();
    const verified = digests.verify(received, decoder?.trailers ?? {});
    const bytes = await sink.finish();
    return {
      ...verified,
      ...(rules.blobs === undefined
        ? { bytes, slices: [] }
        : { bytes: EMPTY, slices: store(bytes, sink, rules.blobs, received) }),
    };
  } catch (error) {
    sink.discard();
    throw error;
  }
}

const EMPTY = Buffer.alloc(0);

function store(bytes: Buffer, sink: FileSink | MemorySink, blobs: BlobStore, sizeBytes: number): BlobSlice[] {
  if (sink instanceof MemorySink) return blobs.writeWhole(bytes);
  return [{ blob: sink.blob, offset: 0, length: sizeBytes }];
}

function readAll(request: IncomingMessage, conditions: BodyConditions, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let total = 0;
    const fail = (error: Error): void => {
      clearTimeout(timer);
      request.off('data', onData);
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      timer.refresh();
      total += chunk.length;
      conditions.onBytes(chunk.length);
      if (conditions.dropAfterBytes !== undefined && total >= conditions.dropAfterBytes) request.socket.destroy();
      try {
        take(chunk);
      } catch (error) {
        fail(error as Error);
      }
    };
    const timer = setTimeout(() => {
      fail(
        new S3Error(
          'RequestTimeout',
          'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
        ),
      );
    }, conditions.idleMs);
    request.on('data', onData);
    request.once('end', () => {
      clearTimeout(timer);
      resolve();
    });
    request.once('error', fail);
    request.once('close', () => fail(new Error('the connection closed inside the body')));
  });
}

class MemorySink {
  private readonly chunks: Buffer[] = [];

  write(data: Buffer): void {
    this.chunks.push(data);
  }

  finish(): Promise<Buffer> {
    return Promise.resolve(this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks));
  }

  discard(): void {
    this.chunks.length = 0;
  }
}

class FileSink {
  readonly blob: string;
  private readonly stream;
  private failure: Error | undefined;

  constructor(private readonly blobs: BlobStore) {
    ({ blob: this.blob, stream: this.stream } = blobs.openWriter());
    this.stream.on('error', (error) => {
      this.failure = error;
    });
  }

  write(data: Buffer, source: IncomingMessage): void {
    if (this.stream.write(data) || source.isPaused()) return;
    source.pause();
    this.stream.once('drain', () => source.resume());
  }

  finish(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.stream.once('error', reject);
      this.stream.end(() => (this.failure === undefined ? resolve(EMPTY) : reject(this.failure)));
    });
  }

  discard(): void {
    if (this.stream.closed) this.blobs.discard(this.blob);
    // Not before: the file may still be about to be created.
    else this.stream.once('close', () => this.blobs.discard(this.blob)).destroy();
  }
}
