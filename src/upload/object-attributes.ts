/** All that is stored with an object beside its bytes. Bucket-wide settings (class, tags, KMS key) are the store's. */
export interface ObjectAttributes {
  readonly key: string;
  readonly contentType: string;
  /** Names without the `x-amz-meta-` prefix, values printable ASCII; together at most S3's 2 KB. */
  readonly metadata: Readonly<Record<string, string>>;
}
