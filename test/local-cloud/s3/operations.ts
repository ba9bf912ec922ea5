import { getBucketLocation, headBucket, listObjectsV2 } from './bucket-operations';
import { getBucketLifecycle, getBucketNotification, putBucketNotification } from './bucket-settings';
import { completeMultipartUpload } from './complete-multipart';
import { copyObject } from './copy-object';
import { deleteObject, deleteObjects } from './delete-objects';
import type { S3Exchange } from './exchange';
import { getObject } from './get-object';
import { listMultipartUploads, listParts } from './list-multipart';
import { abortMultipartUpload, createMultipartUpload, uploadPart, uploadPartCopy } from './multipart';
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging';
import { putObject } from './put-object';
import type { RequestHead } from './request-head';

export const OPERATIONS = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateMultipartUpload: createMultipartUpload,
  DeleteObject: deleteObject,
  DeleteObjectTagging: deleteObjectTagging,
  DeleteObjects: deleteObjects,
  GetBucketLifecycleConfiguration: getBucketLifecycle,
  GetBucketLocation: getBucketLocation,
  GetBucketNotificationConfiguration: getBucketNotification,
  GetObject: getObject,
  GetObjectTagging: getObjectTagging,
  HeadBucket: headBucket,
  HeadObject: getObject,
  ListMultipartUploads: listMultipartUploads,
  ListObjectsV2: listObjectsV2,
  ListParts: listParts,
  PutBucketNotificationConfiguration: putBucketNotification,
  PutObject: putObject,
  PutObjectTagging: putObjectTagging,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
} satisfies Record<string, (exchange: S3Exchange) => Promise<void>>;

export type OperationName = keyof typeof OPERATIONS;

/** Query names that choose another operation; one that is not known here must not be taken for the plain one. */
const SUBRESOURCES = new Set([
  ...['accelerate', 'acl', 'analytics', 'attributes', 'cors', 'delete', 'encryption', 'inventory', 'legal-hold'],
  ...['lifecycle', 'list-type', 'location', 'logging', 'metrics', 'notification', 'object-lock', 'ownershipControls'],
  ...['policy', 'policyStatus', 'publicAccessBlock', 'renameObject', 'replication', 'requestPayment', 'restore'],
  ...['retention', 'select', 'session', 'tagging', 'torrent', 'uploadId', 'uploads', 'versioning', 'versions'],
  ...['versionId', 'website', 'append'],
]);

const OF_BUCKET: Record<string, OperationName> = {
  'HEAD ': 'HeadBucket',
  'GET lifecycle': 'GetBucketLifecycleConfiguration',
  'GET location': 'GetBucketLocation',
  'GET notification': 'GetBucketNotificationConfiguration',
  'PUT notification': 'PutBucketNotificationConfiguration',
  'GET list-type': 'ListObjectsV2',
  'GET uploads': 'ListMultipartUploads',
  'POST delete': 'DeleteObjects',
};

const OF_OBJECT: Record<string, OperationName> = {
  'GET ': 'GetObject',
  'HEAD ': 'HeadObject',
  'PUT ': 'PutObject',
  'DELETE ': 'DeleteObject',
  'GET tagging': 'GetObjectTagging',
  'PUT tagging': 'PutObjectTagging',
  'DELETE tagging': 'DeleteObjectTagging',
  'POST uploads': 'CreateMultipartUpload',
  'PUT uploadId': 'UploadPart',
  'GET uploadId': 'ListParts',
  'POST uploadId': 'CompleteMultipartUpload',
  'DELETE uploadId': 'AbortMultipartUpload',
};

/** undefined for what S3 has and this stand-in has not. */
export function findOperation(head: RequestHead): OperationName | undefined {
  const subresource = head.query.map(([name]) => name).filter((name) => SUBRESOURCES.has(name));
  const table = head.key === undefined ? OF_BUCKET : OF_OBJECT;
  const name = head.bucket === undefined ? undefined : table[`${head.method} ${subresource.join('&')}`];
  if (head.headers['x-amz-copy-source'] === undefined) return name;
  if (name === 'PutObject') return 'CopyObject';
  return name === 'UploadPart' ? 'UploadPartCopy' : undefined;
}
