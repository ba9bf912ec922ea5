import { createHash, type Hash } from 'node:crypto';
import { accessDenied, S3Error } from './s3-error';
import { signText } from './signature';

const EMPTY_SHA256 = createHash('sha256').digest('hex');
const MAX_LINE_BYTES = 8192;
const MIN_CHUNK_BYTES = 8192;

/** What chunk signatures continue from; absent for the unsigned variant. */
export interface ChunkSigning {
  key: Buffer;
  amzDate: string;
  scope: string;
  seedSignature: string;
}

/** Takes aws-chunked framing off a body, verifying every chunk's signature on the way. */
export class ChunkedDecoder {
  /** by name in lower case; complete once the last chunk has been seen */
  readonly trailers: Record<string, string> = {};
  private state: 'header' | 'data' | 'data-end' | 'trailer' | 'done' = 'header';
  private line = '';
  private chunkLeft = 0;
  private smallChunkSeen = false;
  private chunkSignature = '';
  private chunkHash: Hash | undefined;
  private previousSignature: string;

  constructor(
    private readonly signing: ChunkSigning | undefined,
    private readonly withTrailer: boolean,
  ) {
    this.previousSignature = signing?.seedSignature ?? '';
  }

  /** Gives the decoded bytes in `bytes` to `take`. */
  push(bytes: Buffer, take: (data: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.state === 'data') {
        const data = bytes.subarray(at, at + this.chunkLeft);
        this.chunkHash?.update(data);
        take(data);
        at += data.length;
        this.chunkLeft -= data.length;
        if (this.chunkLeft === 0) this.endChunk();
        continue;
      }
      const lineFeed = bytes.indexOf(10, at);
      const end = lineFeed === -1 ? bytes.length : lineFeed + 1;
      this.line += bytes.toString('latin1', at, end);
      at = end;
      if (this.line.length > MAX_LINE_BYTES) throw incompleteBody();
      if (lineFeed !== -1) this.takeLine();
    }
  }

  /** The body has ended: throws when the framing has not. */
  end(): void {
    if (this.state !== 'done') throw incompleteBody();
  }

  private takeLine(): void {
    if (!this.line.endsWith('\r\n')) throw incompleteBody();
    const line = this.line.slice(0, -2);
    this.line = '';
    if (this.state === 'header') this.beginChunk(line);
    else if (this.state === 'trailer') this.takeTrailer(line);
    else if (line === '' && this.state === 'data-end') this.state = 'header';
    else throw incompleteBody();
  }

  private beginChunk(line: string): void {
    const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
    if (match === null) throw incompleteBody();
    if ((match[2] !== undefined) !== (this.signing !== undefined)) throw accessDenied('chunk signature expected');
    const size = Number.parseInt(match[1]!, 16);
    if (size > 0 && this.smallChunkSeen) {
      throw new S3Error('InvalidChunkSizeError', 'Only the last chunk is allowed to have a size less than 8192 bytes');
    }
    this.smallChunkSeen = size < MIN_CHUNK_BYTES;
    this.chunkLeft = size;
    this.chunkSignature = match[2] ?? '';
    this.chunkHash = this.signing === undefined ? undefined : createHash('sha256');
    if (size > 0) this.state = 'data';
    else {
      this.checkChunkSignature();
      this.state = 'trailer';
    }
  }

  private endChunk(): void {
    this.checkChunkSignature();
    this.state = 'data-end';
  }

  private checkChunkSignature(): void {
    if (this.signing === undefined) return;
    const { amzDate, scope } = this.signing;
    const hash = this.chunkHash!.digest('hex');
    this.checkSignature(
      this.chunkSignature,
      ['AWS4-HMAC-SHA256-PAYLOAD', amzDate, scope, this.previousSignature, EMPTY_SHA256, hash].join('\n'),
    );
    this.previousSignature = this.chunkSignature;
  }

  private takeTrailer(line: string): void {
    if (line === '') {
      this.endTrailers();
      return;
    }
    const colon = line.indexOf(':');
    if (colon < 1 || !this.withTrailer) throw malformedTrailer();
    this.trailers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }

  private endTrailers(): void {
    this.state = 'done';
    if (!this.withTrailer || this.signing === undefined) return;
    const signature = this.trailers['x-amz-trailer-signature'];
    if (signature === undefined) throw malformedTrailer();
    delete this.trailers['x-amz-trailer-signature'];
    const canonical = Object.entries(this.trailers)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}:${value}\n`)
      .join('');
    const { amzDate, scope } = this.signing;
    const hash = createHash('sha256').update(canonical, 'latin1').digest('hex');
    this.checkSignature(
      signature,
      ['AWS4-HMAC-SHA256-TRAILER', amzDate, scope, this.previousSignature, hash].join('\n'),
    );
  }

  private checkSignature(given: string, text: string): void {
    if (signText(this.signing!.key, text) !== given) {
      throw new S3Error(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      );
    }
  }
}

export function incompleteBody(): S3Error {
  return new S3Error(
    'IncompleteBody',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  );
}

function malformedTrailer(): S3Error {
  return new S3Error(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  );
}
