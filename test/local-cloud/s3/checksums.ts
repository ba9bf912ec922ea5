import { createHash, type Hash } from 'node:crypto';
import { CRC32, CRC32C, CRC64NVME, type CrcShape, combineCrc, type RunningCrc, startCrc } from './crc';
import { S3Error } from './s3-error';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

/** `value` is base64, for COMPOSITE with its `-N`. */
export interface StoredChecksum {
  algorithm: ChecksumAlgorithm;
  type: ChecksumType;
  value: string;
}

const CRC_SHAPES: Partial<Record<ChecksumAlgorithm, CrcShape>> = { CRC32, CRC32C, CRC64NVME };
const DIGEST_BYTES: Record<ChecksumAlgorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 };

export function startChecksum(algorithm: ChecksumAlgorithm): RunningCrc | Hash {
  const shape = CRC_SHAPES[algorithm];
  return shape === undefined ? createHash(algorithm.toLowerCase()) : startCrc(shape);
}

export function isChecksumAlgorithm(text: string): text is ChecksumAlgorithm {
  return (CHECKSUM_ALGORITHMS as readonly string[]).includes(text);
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The name in XML: ChecksumCRC32 and so on. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

export function isWellFormedChecksum(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString('base64') === value;
}

export interface ChecksumHeaders {
  algorithm: ChecksumAlgorithm;
  /** undefined when it follows in the trailer */
  value: string | undefined;
}

/** Reads the one allowed checksum of a request with a body: a header, or the promise of a trailer. */
export function findChecksumHeaders(headers: Record<string, string>): ChecksumHeaders | undefined {
  const sent = CHECKSUM_ALGORITHMS.filter((algorithm) => headers[checksumHeader(algorithm)] !== undefined);
  const trailer = headers['x-amz-trailer']?.toLowerCase();
  const promised = CHECKSUM_ALGORITHMS.find((algorithm) => checksumHeader(algorithm) === trailer);
  if (trailer !== undefined && promised === undefined) {
    throw new S3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
  }
  if (sent.length + (promised === undefined ? 0 : 1) > 1) {
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const algorithm = sent[0] ?? promised;
  const named = headers['x-amz-sdk-checksum-algorithm']?.toUpperCase();
  if (named !== undefined && named !== algorithm) {
    throw algorithm === undefined
      ? new S3Error(
          'InvalidRequest',
          'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
        )
      : new S3Error('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
  }
  if (algorithm === undefined) return undefined;
  const value = headers[checksumHeader(algorithm)];
  if (value !== undefined && !isWellFormedChecksum(algorithm, value)) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
  }
  return { algorithm, value };
}

export function badChecksum(algorithm: ChecksumAlgorithm): S3Error {
  return new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
}

export interface SizedChecksum {
  sizeBytes: number;
  checksum: string;
}

/** The checksum of a whole object from those of its parts. */
export function joinChecksums(algorithm: ChecksumAlgorithm, type: ChecksumType, parts: SizedChecksum[]): string {
  const digests = parts.map((part): Buffer => Buffer.from(part.checksum, 'base64'));
  if (type === 'COMPOSITE') {
    const outer = startChecksum(algorithm);
    outer.update(Buffer.concat(digests));
    return `${outer.digest().toString('base64')}-${parts.length}`;
  }
  const shape = CRC_SHAPES[algorithm];
  if (shape === undefined) throw new Error(`${algorithm} has no full-object form`);
  const joined = digests.reduce((whole, digest, at) => combineCrc(shape, whole, digest, parts[at]!.sizeBytes));
  return joined.toString('base64');
}
