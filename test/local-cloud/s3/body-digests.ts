import { createHash, type Hash } from 'node:crypto';
import {
  badChecksum,
  type ChecksumAlgorithm,
  type ChecksumHeaders,
  checksumHeader,
  isWellFormedChecksum,
  startChecksum,
} from './checksums';
import type { RunningCrc } from './crc';
import { S3Error } from './s3-error';

export interface ReceivedDigests {
  sizeBytes: number;
  md5: Buffer;
  /** the checksum that the request named, verified */
  sent: { algorithm: ChecksumAlgorithm; value: string } | undefined;
  /** base64 of the algorithm that was asked to be kept */
  kept: string | undefined;
}

/** All that a request claims about its body, computed while the body passes and compared at its end. */
export class BodyDigests {
  private readonly md5 = createHash('md5');
  private readonly sha256: Hash | undefined;
  private readonly checksums = new Map<ChecksumAlgorithm, RunningCrc | Hash>();

  constructor(
    private readonly claimed: ChecksumHeaders | undefined,
    private readonly claimedMd5: string | undefined,
    private readonly payloadHash: string,
    private readonly keep: ChecksumAlgorithm | undefined,
  ) {
    if (claimedMd5 !== undefined && !/^[A-Za-z0-9+/]{22}==$/.test(claimedMd5)) {
      throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.', {
        'Content-MD5': claimedMd5,
      });
    }
    if (/^[0-9a-f]{64}$/.test(payloadHash)) this.sha256 = createHash('sha256');
    for (const algorithm of [claimed?.algorithm, keep]) {
      if (algorithm !== undefined && !this.checksums.has(algorithm)) {
        this.checksums.set(algorithm, startChecksum(algorithm));
      }
    }
  }

  update(data: Buffer): void {
    this.md5.update(data);
    this.sha256?.update(data);
    for (const checksum of this.checksums.values()) checksum.update(data);
  }

  verify(sizeBytes: number, trailers: Record<string, string>): ReceivedDigests {
    const sha256 = this.sha256?.digest('hex');
    if (sha256 !== undefined && sha256 !== this.payloadHash) {
      throw new S3Error(
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        {
          ClientComputedContentSHA256: this.payloadHash,
          S3ComputedContentSHA256: sha256,
        },
      );
    }
    const md5 = this.md5.digest();
    if (this.claimedMd5 !== undefined && this.claimedMd5 !== md5.toString('base64')) {
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
        ExpectedDigest: this.claimedMd5,
        CalculatedDigest: md5.toString('base64'),
      });
    }
    const values = new Map([...this.checksums].map(([name, running]) => [name, running.digest().toString('base64')]));
    const sent = this.claimed === undefined ? undefined : checkClaim(this.claimed, trailers, values);
    return { sizeBytes, md5, sent, kept: this.keep === undefined ? undefined : values.get(this.keep)! };
  }
}

function checkClaim(
  { algorithm, value }: ChecksumHeaders,
  trailers: Record<string, string>,
  values: Map<ChecksumAlgorithm, string>,
): { algorithm: ChecksumAlgorithm; value: string } {
  const claimed = value ?? trailers[checksumHeader(algorithm)];
  if (claimed === undefined) {
    throw new S3Error(
      'MalformedTrailerError',
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
    );
  }
  if (!isWellFormedChecksum(algorithm, claimed)) {
    throw new S3Error('InvalidRequest', `Value for ${checksumHeader(algorithm)} trailing header is invalid.`);
  }
  if (claimed !== values.get(algorithm)) throw badChecksum(algorithm);
  return { algorithm, value: claimed };
}
