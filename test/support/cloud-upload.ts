import { randomBytes } from 'node:crypto';
import {
  type ChecksumAlgorithm,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

export const MIN_PART_BYTES = 5 * 1024 * 1024;
export const FULL_CRC32 = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const;

/** One upload with its bytes, as far as a test takes it. */
export class MultipartUpload {
  private static begun = 0;
  readonly Key = `upload-${MultipartUpload.begun++}`;
  UploadId = '';
  readonly parts: CompletedPart[] = [];
  readonly bytes: Buffer[] = [];

  private constructor(private readonly s3: S3Client) {}

  static async begin(s3: S3Client, options: Partial<CreateMultipartUploadCommandInput> = {}): Promise<MultipartUpload> {
    const upload = new MultipartUpload(s3);
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket: 'depot', Key: upload.Key, ...options }),
    );
    upload.UploadId = UploadId!;
    return upload;
  }

  async add(PartNumber: number, sizeBytes: number, ChecksumAlgorithm?: ChecksumAlgorithm): Promise<void> {
    const Body = randomBytes(sizeBytes);
    const sent = await this.s3.send(
      new UploadPartCommand({
        ...this.name,
        PartNumber,
        Body,
        ...(ChecksumAlgorithm === undefined ? {} : { ChecksumAlgorithm }),
      }),
    );
    const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } = sent;
    this.bytes.push(Body);
    this.parts.push({
      PartNumber,
      ETag,
      ...defined({ ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 }),
    });
  }

  get name(): { Bucket: string; Key: string; UploadId: string } {
    return { Bucket: 'depot', Key: this.Key, UploadId: this.UploadId };
  }

  /** A first part of the least size and a short last one. */
  static async ofTwoParts(
    s3: S3Client,
    options: Partial<CreateMultipartUploadCommandInput> = FULL_CRC32,
  ): Promise<MultipartUpload> {
    const upload = await MultipartUpload.begin(s3, options);
    await upload.add(1, MIN_PART_BYTES, options.ChecksumAlgorithm);
    await upload.add(2, 1000, options.ChecksumAlgorithm);
    return upload;
  }

  complete(
    options: Partial<CompleteMultipartUploadCommandInput> = {},
    Parts: CompletedPart[] = this.parts,
  ): Promise<CompleteMultipartUploadCommandOutput> {
    return this.s3.send(new CompleteMultipartUploadCommand({ ...this.name, MultipartUpload: { Parts }, ...options }));
  }
}

function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
