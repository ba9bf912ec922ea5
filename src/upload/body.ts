/**
 * The bytes of one request, read before it is sent, so that the digests stand in its head. `slices` gives them from
 * the start each time it is called: a request is repeated after a renewed token or a redirect.
 */
export interface Body {
  readonly sizeBytes: number;
  readonly crc32: number;
  /** Base64, when the store needs it. */
  readonly md5: string | undefined;
  /** Lower-case hex, when the store needs it. */
  readonly sha256: string | undefined;
  slices(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}
