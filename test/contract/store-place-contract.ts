import { findFreePorts } from '../engines/free-ports';
import type { ContractRun } from './contract-run';
import { STORE_CALLS } from './store-calls';
import { StoreRun } from './store-run';

const BYTES = Buffer.from('bytes');

/** Where every call fails alike: nobody there, no bucket, another account's bucket. */
export function describeStorePlace(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  test.each(STORE_CALLS)('%s where nobody answers is S3_UNREACHABLE', async (_, call) => {
    const [port = 0] = await findFreePorts(1);
    await s.expectCode(call(s, s.store({ endpoint: `https://127.0.0.1:${port}` })), 'S3_UNREACHABLE');
  });

  test.each(STORE_CALLS)('%s where the certificate is a stranger is S3_UNREACHABLE', async (_, call) => {
    await s.expectCode(call(s, s.store({ systemTrust: true })), 'S3_UNREACHABLE');
  });

  // A HEAD has no body: that it is the bucket that is missing cannot be told.
  test.each(STORE_CALLS.filter(([name]) => name !== 'findObject'))(
    '%s without a bucket is BUCKET_MISSING',
    async (_, call) => {
      const keys = await run.issueKeys([{ Effect: 'Allow', Action: 's3:*', Resource: '*' }]);
      await s.expectCode(call(s, s.store({ bucket: `${run.bucket}-missing` }, keys)), 'BUCKET_MISSING');
    },
  );

  test.each(STORE_CALLS)("%s to another account's bucket is ACCESS_DENIED", async (_, call) => {
    const store = s.store({ expectedBucketOwner: '999999999999' });
    if (run.deviates('owner-unchecked')) await s.put(store, 'owned', BYTES);
    else await s.expectCode(call(s, store), 'ACCESS_DENIED');
  });

  test('the right owner is let in', async () => {
    await s.put(s.store({ expectedBucketOwner: run.engine.accountId }), 'owned', BYTES);
  });
}
