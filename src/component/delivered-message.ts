import { printableName } from '../domain/printable-name';

export interface Delivered {
  /** Of the ledger, and the upload's number in it: the same message may come twice. */
  readonly id: string;
  readonly thing: string | undefined;
  readonly outbox: string;
  readonly path: Buffer;
  readonly bucket: string | undefined;
  readonly key: string;
  readonly sizeBytes: number;
  readonly outcome: 'delivered' | 'skipped';
}

/** A path may be longer than a message: it stands in S3's key as well. */
const MAX_PATH_CHARACTERS = 500;

/** What other components are told of a file that has arrived: JSON of at most 4 KB. `path` is left out where it would not fit. */
export function deliveredMessage({ outbox, path, ...rest }: Delivered): Buffer {
  const file = `${outbox}/${printableName(path)}`;
  return Buffer.from(
    JSON.stringify({ event: 'delivered', ...rest, path: file.length <= MAX_PATH_CHARACTERS ? file : undefined }),
  );
}
