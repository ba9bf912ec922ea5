import { deviationsOf } from './deviation';

/** moto 5.2 as S3 that serves anybody. */
export const MOTO_DEVIATIONS = deviationsOf(
  'metadata-unlimited',
  'line-end-in-key-is-a-crash',
  'keys-unlimited',
  'copy-ignores-conditions',
  'copy-ignores-absence',
  'part-copy-ignores-conditions',
  'tag-keys-repeat',
  'complete-ignores-if-match',
  'complete-order-unchecked',
  'complete-ignores-size',
  'part-zero-is-no-upload',
  'no-upload-is-a-crash',
  'upload-id-for-any-key',
  'list-parts-by-position',
  'list-uploads-whole',
  'md5-unverified',
  'checksums-unverified',
  'checksums-forgotten',
  'whole-checksums-in-head-alone',
  'checksums-unadded',
  'payload-hash-unverified',
  'trailers-unverified',
  'owner-unchecked',
);

/** moto 5.2 that looks at signatures and policies. */
export const MOTO_CHECKING_DEVIATIONS = deviationsOf(
  'clock-unchecked',
  'tokens-never-expire',
  'owner-unchecked',
  'missing-key-told-to-readers',
  'presigned-is-a-crash',
  'policy-conditions-ignored',
  'copy-source-unchecked',
  'tagging-needs-no-permission',
  'escapes-break-signatures',
);
