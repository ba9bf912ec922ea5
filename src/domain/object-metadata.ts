/** Names of our metadata (`x-amz-meta-…`), as written with an object and as HEAD gives them back. */
export const METADATA = {
  /** Id of the upload that made the object: the ledger's id and the row's number. */
  uploadId: 'courier-id',
  /** CRC32 in S3's spelling, where it is known before the first byte goes. */
  crc32: 'courier-crc32',
  /** Path in the outbox, percent-encoded. */
  path: 'courier-path',
  /** Permissions in octal, as other tools read them. */
  mode: 'mode',
  /** Unix seconds with nanoseconds, the name and form other tools read. */
  mtime: 'mtime',
} as const;
