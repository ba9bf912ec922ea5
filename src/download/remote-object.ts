/** Checksums of the whole object, as whoever keeps it has computed them. */
export interface RemoteChecksums {
  readonly crc32?: number | undefined;
  /** Hex. */
  readonly crc64nvme?: string | undefined;
  /** Hex. */
  readonly sha256?: string | undefined;
  /** Hex. */
  readonly md5?: string | undefined;
}

/** One version of a remote file. */
export interface RemoteVersion {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly checksums: RemoteChecksums;
}

/** What is to be fetched: an object in S3, or what a URL leads to. */
export interface RemoteFile {
  /**
   * Its bytes from `fromByte` on, of exactly this version.
   * @throws TransferError OBJECT_CHANGED when there is another version by now, OBJECT_MISSING, and those of the link
   */
  open(version: RemoteVersion, fromByte: number, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
}
