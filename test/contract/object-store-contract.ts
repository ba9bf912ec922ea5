import type { ContractRun } from './contract-run';
import { describeStoreMultipart } from './store-multipart-contract';
import { describeStoreObjects } from './store-objects-contract';
import { describeStorePlace } from './store-place-contract';
import { describeStoreTransfer } from './store-transfer-contract';

/** The port `ObjectStore`, as its adapter for S3 fulfils it. Access apart: not every engine looks at who asks. */
export function describeObjectStore(run: ContractRun): void {
  describe('object store', () => {
    describe('transfer', () => describeStoreTransfer(run));
    describe('objects', () => describeStoreObjects(run));
    describe('multipart', () => describeStoreMultipart(run));
    describe('place', () => describeStorePlace(run));
  });
}
