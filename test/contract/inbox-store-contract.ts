import type { ContractRun } from './contract-run';
import { describeInboxCopy } from './inbox-copy-contract';
import { describeInboxFetch } from './inbox-fetch-contract';
import { describeInboxFind } from './inbox-find-contract';
import { describeInboxListing } from './inbox-listing-contract';
import { describeInboxPlace } from './inbox-place-contract';
import { describeInboxRemove } from './inbox-remove-contract';

/** The port `InboxStore`, as its adapter for S3 fulfils it. Access apart: not every engine looks at who asks. */
export function describeInboxStore(run: ContractRun): void {
  describe('inbox store', () => {
    describe('listing', () => describeInboxListing(run));
    describe('find', () => describeInboxFind(run));
    describe('fetch', () => describeInboxFetch(run));
    describe('copy', () => describeInboxCopy(run));
    describe('remove', () => describeInboxRemove(run));
    describe('place', () => describeInboxPlace(run));
  });
}
