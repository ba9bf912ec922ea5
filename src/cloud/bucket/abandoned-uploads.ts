import { GetBucketLifecycleConfigurationCommand, type LifecycleRule } from '@aws-sdk/client-s3';
import { isDenied } from '../account/explain-aws-error';
import type { Bucket } from './bucket';

/** A device that is offline for longer would lose what it has sent of a large file. */
const SHORT_DAYS = 8;

/** What the bucket does with parts of uploads that are never completed: one sentence. */
export async function describeAbandonedUploads({ s3, at, name }: Bucket): Promise<string> {
  let rules: readonly LifecycleRule[];
  try {
    rules = (await s3.send(new GetBucketLifecycleConfigurationCommand(at))).Rules ?? [];
  } catch (error) {
    if ((error as Error).name === 'NoSuchLifecycleConfiguration') rules = [];
    else if (isDenied(error))
      return `abandoned uploads: whether ${name} removes their parts is not known; it takes s3:GetLifecycleConfiguration to see`;
    else throw error;
  }
  const days = rules.filter(coversAll).map((rule) => rule.AbortIncompleteMultipartUpload!.DaysAfterInitiation ?? 0);
  if (days.length === 0)
    return `abandoned uploads: ${name} keeps their parts for ever, and they cost; give it a lifecycle rule AbortIncompleteMultipartUpload for all its objects, of more days than a device may be offline (the template has 60)`;
  const least = Math.min(...days);
  return `abandoned uploads: ${name} removes their parts after ${least} days${least < SHORT_DAYS ? ', which is little: a device that is offline for longer begins its large files anew' : ''}`;
}

/** Enabled, and not of some objects only. */
function coversAll({ Status, Prefix, Filter, AbortIncompleteMultipartUpload }: LifecycleRule): boolean {
  const narrowed = Object.entries(Filter ?? {}).some(([, value]) => value !== undefined && value !== '');
  return Status === 'Enabled' && AbortIncompleteMultipartUpload !== undefined && (Prefix ?? '') === '' && !narrowed;
}
