import type { ContractRun } from './contract-run';
import { describeChecksums } from './s3-checksums-contract';
import { describeCopy } from './s3-copy-contract';
import { describeListing } from './s3-listing-contract';
import { describeMultipart } from './s3-multipart-contract';
import { describeObjects } from './s3-objects-contract';
import { describeTags } from './s3-tags-contract';

/** S3 as AWS documents it, as far as thing-courier or its tests lean on it. */
export function describeS3(run: ContractRun): void {
  describe('S3', () => {
    describeObjects(run);
    describeListing(run);
    describeCopy(run);
    describeTags(run);
    describeMultipart(run);
    describeChecksums(run);
  });
}
