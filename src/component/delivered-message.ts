import { printableName } from '../domain/printable-name';
import { MAX_PAYLOAD_BYTES } from '../messages/bus';

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

/** What stands in the ledger and in S3 as well, and may be longer than a message. */
const LEFT_OUT = [[], ['path'], ['path', 'key', 'bucket']] as const;

/**
 * What other components are told of a file that has arrived: JSON. `path` is left out where it would not fit, and
 * `key` too. It always fits: it is stored in the transaction that concludes the upload, which must not fail for it.
 */
export function deliveredMessage({ outbox, path, ...rest }: Delivered): Buffer {
  const all = { event: 'delivered', ...rest, path: `${outbox}/${printableName(path)}` };
  const candidates = LEFT_OUT.map((names) => {
    const without = Object.fromEntries(names.map((name) => [name, undefined]));
    return Buffer.from(JSON.stringify({ ...all, ...without }));
  });
  return candidates.find(({ length }) => length <= MAX_PAYLOAD_BYTES) ?? candidates.at(-1)!;
}
