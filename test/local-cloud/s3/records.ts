import type { BlobSlice } from './blob-store';
import type { ChecksumAlgorithm, ChecksumType, StoredChecksum } from './checksums';

/** What PutObject, Create and CopyObject say about an object beside its bytes. */
export interface ObjectTraits {
  /** content-type and its kin, x-amz-meta-*, as they came in */
  headers: Record<string, string>;
  tags: Record<string, string>;
  storageClass: string;
  encryption: { algorithm: string; keyId?: string };
}

export interface ObjectRecord extends ObjectTraits {
  bucket: string;
  key: string;
  sizeBytes: number;
  /** without quotes */
  etag: string;
  modifiedMs: number;
  slices: BlobSlice[];
  checksum?: StoredChecksum;
  /** only of a multipart object */
  parts?: { sizeBytes: number; checksum?: string }[];
}

export interface PartRecord {
  partNumber: number;
  sizeBytes: number;
  etag: string;
  modifiedMs: number;
  slices: BlobSlice[];
  /** base64, of the upload's algorithm */
  checksum: string;
}

export interface UploadRecord extends ObjectTraits {
  uploadId: string;
  bucket: string;
  key: string;
  initiatedMs: number;
  /** what Create named; undefined = S3 keeps a full-object CRC64NVME of its own */
  checksumAlgorithm?: ChecksumAlgorithm;
  checksumType: ChecksumType;
}

export interface OpenUpload {
  upload: UploadRecord;
  parts: Map<number, PartRecord>;
}

/** Kept a while so that the identical Complete can be answered again. */
export interface CompletedUpload {
  uploadId: string;
  bucket: string;
  key: string;
  completedMs: number;
  /** of the part list it was completed with */
  fingerprint: string;
  etag: string;
  encryption: ObjectTraits['encryption'];
  checksum?: StoredChecksum;
}
