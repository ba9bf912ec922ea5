/** What came back. */
export interface Answer {
  readonly status: number;
  /** Names in lower case; of a name that came twice, both values. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The head of it, where it is long. */
  readonly text: string;
}

interface Head extends Omit<Answer, 'text'> {
  /** Bytes of the body, where they are told beforehand. */
  readonly bodyBytes: number | 'chunked' | 'until-closed';
  readonly keepsConnection: boolean;
}

const MAX_HEAD_BYTES = 64 * 1024;
/** An answer to a PUT is a few hundred bytes; of anything longer the head is enough. */
const MAX_KEPT_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);
/** A name without blanks, a value without what ends one, the end of the line. */
const HEADER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)(?:\r\n|$)/y;

/**
 * Reads the answer to one HTTP/1.1 request, strictly: what is not plainly right is an error, never a guess, so that no
 * two readers on the way can disagree about where an answer ends. RFC 9112.
 */
export class AnswerReader {
  #rest: Buffer = NOTHING;
  #head: Head | undefined;
  /** Of the body, or of the chunk that is read. */
  #expectedBytes = 0;
  #step: 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'done' = 'head';
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  #keepsConnection = false;

  /** @param onContinue told of `100 Continue` */
  constructor(
    private readonly method: string,
    private readonly onContinue: () => void,
  ) {}

  /** Whether anything of the answer itself has come. */
  get hasBegun(): boolean {
    return this.#head !== undefined || this.#rest.length > 0;
  }

  /** Once the answer is whole: whether the connection may serve again. */
  get keepsConnection(): boolean {
    return this.#keepsConnection && this.#rest.length === 0; // bytes nobody asked for belong to no answer
  }

  /** @returns the answer when it is whole @throws Error when this is not HTTP/1.1 */
  read(bytes: Buffer): Answer | undefined {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#step !== 'done') if (!this.#advance()) return undefined;
    return this.#answer();
  }

  /** The far end closed. @returns the answer, where that is its end */
  end(): Answer | undefined {
    return this.#head?.bodyBytes === 'until-closed' ? this.#answer() : undefined;
  }

  /** @returns whether there was enough for a step */
  #advance(): boolean {
    switch (this.#step) {
      case 'head': {
        const text = this.#takeUntil('\r\n\r\n');
        if (text !== undefined) this.#begin(parseHead(text, this.method));
        return text !== undefined;
      }
      case 'body':
      case 'chunk':
        this.#keep(this.#take(Math.min(this.#expectedBytes, this.#rest.length)));
        if (this.#expectedBytes === 0) this.#step = this.#step === 'body' ? 'done' : 'chunk-end';
        return this.#expectedBytes === 0;
      case 'chunk-size': {
        const line = this.#takeUntil('\r\n');
        if (line === undefined) return false;
        const size = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;|$)/.exec(line)?.[1];
        if (size === undefined) throw new Error('a chunk without its size');
        this.#expectedBytes = Number.parseInt(size, 16);
        this.#step = this.#expectedBytes === 0 ? 'trailer' : 'chunk';
        return true;
      }
      case 'chunk-end':
        if (this.#rest.length < 2) return false;
        if (this.#take(2).toString('latin1') !== '\r\n') throw new Error('a chunk longer than it says');
        this.#step = 'chunk-size';
        return true;
      default: {
        const line = this.#takeUntil('\r\n');
        if (line === '') this.#step = 'done';
        return line !== undefined;
      }
    }
  }

  #begin(head: Head): void {
    if (head.status === 101) throw new Error('another protocol, unasked');
    if (head.status < 200) {
      if (head.status === 100) this.onContinue();
      return;
    }
    this.#head = head;
    this.#keepsConnection = head.keepsConnection;
    this.#step = head.bodyBytes === 'chunked' ? 'chunk-size' : 'body';
    this.#expectedBytes = typeof head.bodyBytes === 'number' ? head.bodyBytes : Number.POSITIVE_INFINITY;
  }

  #keep(bytes: Buffer): void {
    this.#expectedBytes -= bytes.length;
    this.#keptBytes += bytes.length;
    if (bytes.length > 0 && this.#keptBytes <= MAX_KEPT_BYTES) this.#kept.push(bytes);
  }

  #take(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }

  #takeUntil(end: string): string | undefined {
    const at = this.#rest.indexOf(end, 0, 'latin1');
    if (at < 0 && this.#rest.length > MAX_HEAD_BYTES) throw new Error('a head that does not end');
    return at < 0 ? undefined : this.#take(at + end.length).toString('latin1', 0, at);
  }

  #answer(): Answer {
    const { status, headers } = this.#head!;
    return { status, headers, text: this.#kept.length === 0 ? '' : Buffer.concat(this.#kept).toString('utf8') };
  }
}

function parseHead(text: string, method: string): Head {
  const [line, minor, code] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?(?:\r\n|$)/.exec(text) ?? [];
  if (line === undefined) throw new Error('no HTTP/1.1 status line');
  const status = Number(code);
  const headers: Record<string, string | undefined> = Object.create(null);
  for (let at = line.length; at < text.length; ) {
    HEADER.lastIndex = at;
    const [whole, name, value] = HEADER.exec(text) ?? [];
    if (whole === undefined) throw new Error('a header that is none');
    at += whole.length;
    const key = name!.toLowerCase();
    headers[key] = headers[key] === undefined ? value!.trimEnd() : `${headers[key]}, ${value!.trimEnd()}`;
  }
  const bodyBytes = measureBody(status, headers, method);
  const said = headers.connection?.toLowerCase().split(/\s*,\s*/) ?? [];
  const keeps = minor === '1' ? !said.includes('close') : said.includes('keep-alive');
  return { status, headers, bodyBytes, keepsConnection: keeps && bodyBytes !== 'until-closed' };
}

function measureBody(status: number, headers: Answer['headers'], method: string): Head['bodyBytes'] {
  const { 'transfer-encoding': encoding, 'content-length': length } = headers;
  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || length !== undefined))
    throw new Error('a body of unclear length');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Error('a body of unclear length');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  if (encoding !== undefined) return 'chunked';
  return length === undefined ? 'until-closed' : Number(length);
}
