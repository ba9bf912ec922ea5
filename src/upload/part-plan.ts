import { TransferError } from '../domain/errors';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; sizes in bytes. */
export const S3_LIMITS = {
  minPartBytes: 5 * MIB,
  maxPartBytes: 5 * GIB,
  maxParts: 10_000,
  /** 48.8 TiB: 10,000 parts of 5 GiB. */
  maxObjectBytes: 10_000 * 5 * GIB,
} as const;

export interface Part {
  /** 1-based, as S3 counts. */
  readonly number: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A part S3 has answered for; its row in the ledger. */
export interface SentPart extends Part {
  readonly etag: string;
  readonly crc32: number;
}

/**
 * The parts still to send, in order. Parts already sent keep their place; what lies between two of them must fit the
 * numbers between them; what lies behind the last is cut anew by `preferredPartBytes`, grown where 10,000 parts would
 * not suffice.
 * @throws TransferError OBJECT_TOO_LARGE
 */
export function planParts(fileBytes: number, preferredPartBytes: number, sent: readonly SentPart[]): Part[] {
  if (fileBytes > S3_LIMITS.maxObjectBytes) {
    throw new TransferError(
      'OBJECT_TOO_LARGE',
      `the file has ${fileBytes} bytes, S3 takes at most ${S3_LIMITS.maxObjectBytes} (48.8 TiB) in one object; split it`,
    );
  }
  const plan: Part[] = [];
  let number = 1;
  let offset = 0;
  for (const part of [...sent].sort((a, b) => a.number - b.number)) {
    const between = part.number - number;
    if (between > 0)
      plan.push(...cut(number, offset, part.offset - offset, Math.ceil((part.offset - offset) / between)));
    number = part.number + 1;
    offset = part.offset + part.sizeBytes;
  }
  const rest = fileBytes - offset;
  if (rest > 0) plan.push(...cut(number, offset, rest, choosePartBytes(rest, preferredPartBytes, number)));
  return plan;
}

function choosePartBytes(restBytes: number, preferredPartBytes: number, firstNumber: number): number {
  const numbersLeft = S3_LIMITS.maxParts - firstNumber + 1;
  const least = Math.ceil(restBytes / numbersLeft / MIB) * MIB; // whole MiB: offsets a person can read
  return Math.min(S3_LIMITS.maxPartBytes, Math.max(preferredPartBytes, S3_LIMITS.minPartBytes, least));
}

function cut(firstNumber: number, start: number, bytes: number, partBytes: number): Part[] {
  return Array.from({ length: Math.ceil(bytes / partBytes) }, (_, i) => ({
    number: firstNumber + i,
    offset: start + i * partBytes,
    sizeBytes: Math.min(partBytes, bytes - i * partBytes),
  }));
}
