import type { RemoteVersion } from '../download/remote-object';

export interface UrlAnswer {
  readonly version: RemoteVersion;
  /** Where the body begins: what was asked for, or 0. */
  readonly fromByte: number;
  readonly body: AsyncIterable<Buffer>;
}

/** Files by URLs that expire. Implementations never name a URL's query: it is a credential. */
export interface UrlFiles {
  /**
   * GET, with Range and If-Range from the second byte on.
   * @param etag of the version whose beginning is here already
   * @throws TransferError URL_EXPIRED, URL_REFUSED (the host says no, or sends elsewhere), and those of the link
   */
  get(url: URL, fromByte: number, etag: string | undefined, signal: AbortSignal): Promise<UrlAnswer>;
}
