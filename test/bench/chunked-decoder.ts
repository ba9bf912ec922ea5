type State = 'size' | 'data' | 'after-data' | 'trailer' | 'ended';

/**
 * Takes chunk framing off a body as it arrives. HTTP's `Transfer-Encoding: chunked` and S3's `aws-chunked`, signed or
 * with a trailer, are the same grammar: what follows a `;` and the trailers are passed over.
 */
export class ChunkedDecoder {
  private state: State = 'size';
  private line = '';
  private rest = 0;

  constructor(private readonly onPayload: (bytes: Buffer) => void) {}

  get ended(): boolean {
    return this.state === 'ended';
  }

  /** Takes bytes from `at` on; gives the position behind the last byte that belongs to the body. */
  write(bytes: Buffer, at = 0): number {
    let next = at;
    while (next < bytes.length && this.state !== 'ended') {
      next = this.state === 'data' ? this.takeData(bytes, next) : this.takeLine(bytes, next);
    }
    return next;
  }

  private takeData(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.rest);
    this.onPayload(bytes.subarray(at, end));
    this.rest -= end - at;
    if (this.rest === 0) this.state = 'after-data';
    return end;
  }

  private takeLine(bytes: Buffer, at: number): number {
    const feed = bytes.indexOf(0x0a, at);
    if (feed < 0) {
      this.line += bytes.toString('latin1', at);
      return bytes.length;
    }
    const line = (this.line + bytes.toString('latin1', at, feed)).trimEnd();
    this.line = '';
    if (this.state === 'after-data') this.state = 'size';
    else if (this.state === 'trailer') this.state = line === '' ? 'ended' : 'trailer';
    else this.takeSize(line);
    return feed + 1;
  }

  private takeSize(line: string): void {
    this.rest = Number.parseInt(line, 16);
    if (Number.isNaN(this.rest)) throw new Error('the body is not chunked');
    this.state = this.rest === 0 ? 'trailer' : 'data';
  }
}
