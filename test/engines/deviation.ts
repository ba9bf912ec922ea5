/** Everything an engine is known to do otherwise than AWS, said once; the contracts assert each where its id stands. */
export const DEVIATIONS = {
  'metadata-unlimited': 'takes more than 2 KB of user metadata',
  'storage-class-unknown': 'answers a storage class it does not have with InvalidArgument (it has STANDARD alone)',
  'standard-class-told': 'mentions the storage class also when it is STANDARD',
  'kms-unknown': 'has no keys of KMS',
  'line-end-in-key-is-a-crash': 'answers keys with a line end in them with 500 and a page of HTML',
  'keys-unlimited': 'takes keys of more than 1,024 bytes',
  'long-key-is-invalid-name': 'answers keys of more than 1,024 bytes with InvalidObjectName',
  'put-if-match-unquoted': 'compares If-Match of PUT with the ETag without its quotes: a quoted one never matches',
  'put-if-match-absent-is-412': 'answers PUT If-Match on a missing key with PreconditionFailed, not NoSuchKey',
  'delete-ignores-conditions': 'deletes in spite of If-Match',
  'copy-etag-unquoted': 'answers CopyObject with the ETag without its quotes',
  'copy-ignores-conditions': 'copies in spite of CopySourceIfMatch',
  'copy-ignores-none-match': 'copies in spite of CopySourceIfNoneMatch',
  'part-copy-ignores-conditions': 'copies a part in spite of CopySourceIfMatch',
  'part-copy-by-token-is-a-crash': 'ends when temporary keys copy a part',
  'part-copy-of-percent-is-a-crash': 'ends when a part is copied from a key with a percent sign in it',
  'copy-ignores-absence': 'copies in spite of If-None-Match',
  'copy-keeps-tags': 'copies tags in spite of TaggingDirective REPLACE',
  'wrong-tag-header-is-invalid-argument': 'answers wrong tags in the header with InvalidArgument',
  'tag-keys-repeat': 'takes a tag key twice',
  'complete-etag-empty': 'answers the first Complete with an empty ETag, and a repeated one without quotes',
  'create-drops-tags': 'loses the tags given to CreateMultipartUpload',
  'complete-names-every-part': 'answers a Complete that leaves out a part with InvalidPart',
  'complete-ignores-conditions': 'completes in spite of If-None-Match',
  'complete-ignores-if-match': 'completes in spite of If-Match',
  'complete-sorts-parts': 'completes a list of parts that is not in order',
  'complete-order-unchecked': 'does not see that parts are not in order, only that one not at the end is small',
  'complete-ignores-size': 'does not compare MpuObjectSize',
  'part-zero-is-no-upload': 'answers part number 0 with NoSuchUpload',
  'part-numbers-unlimited': 'takes any part number',
  'no-upload-lists-as-no-key': 'answers ListParts of an upload that is gone with NoSuchKey',
  'no-upload-completes-as-500':
    'answers Complete of an upload that is gone with 500 InternalError, as if one were in progress',
  'no-upload-is-a-crash': 'answers UploadPart and Complete of an upload that is gone with 500 and a page of HTML',
  'upload-id-for-any-key': 'takes a part under another key than the upload has',
  'list-parts-by-position':
    'skips as many parts as PartNumberMarker says, instead of up to that number, and says IsTruncated too seldom',
  'list-uploads-whole': 'answers ListMultipartUploads in one page, whatever MaxUploads says',
  'md5-unverified': 'does not compare Content-MD5',
  'checksums-unverified': 'does not compare the checksums in headers',
  'checksums-forgotten': 'keeps no checksum of a single PUT or a part',
  'whole-checksums-forgotten': 'keeps no checksum of a multipart object',
  'whole-checksums-in-head-alone':
    'tells the CRC32 of a multipart object to HEAD alone, a composite one without the number of parts',
  'checksums-unadded': 'adds no CRC64NVME to an object that came without a checksum',
  'payload-hash-unverified': 'does not compare x-amz-content-sha256',
  'trailers-unknown': 'refuses bodies in aws-chunked with a trailer: it takes the name of the scheme for the SHA-256',
  'trailers-unverified': 'does not compare the checksum in a trailer',
  'signature-refused-as-access-denied': 'answers a wrong signature, key or token with AccessDenied',
  'expired-token-is-access-denied': 'answers a token past its time with 403 AccessDenied',
  'tokens-never-expire': 'takes temporary keys for ever',
  'clock-unchecked': 'takes requests signed by a clock that is wrong',
  'owner-unchecked': 'does not compare ExpectedBucketOwner',
  'missing-key-told-to-all': 'answers 404 for a missing key also to those who may neither read nor list',
  'missing-key-told-to-readers': 'answers 404 for a missing key also to those who may read but not list',
  'objects-belong-to-their-writer': 'lets the owner of the bucket not read what others wrote',
  'if-range-ignored': 'sends a range of another version in spite of If-Range',
  'expiry-unexplained': 'answers an expired URL with AccessDenied and no word of why',
  'presigned-is-a-crash': 'answers presigned URLs with 500 and a page of HTML',
  'copy-source-unchecked': 'copies from where its caller may not read',
  'policy-conditions-ignored': 'does not look at conditions of policies',
  'abort-needs-put-alone': 'aborts for those who may PutObject, without s3:AbortMultipartUpload',
  'tagging-needs-no-permission': 'takes tags in the header of PUT without s3:PutObjectTagging',
  'escapes-break-signatures': 'refuses valid signatures of paths and queries with escapes in them',
} as const;

export type DeviationId = keyof typeof DEVIATIONS;

export interface Deviation {
  readonly id: DeviationId;
  readonly sentence: string;
}

export const deviationsOf = (...ids: readonly DeviationId[]): Deviation[] =>
  ids.map((id) => ({ id, sentence: DEVIATIONS[id] }));
