import { findFreePorts } from '../engines/free-ports';
import type { ContractRun } from './contract-run';
import { CALLED_KEY, INBOX_CALLS } from './inbox-calls';
import { StoreRun } from './store-run';

const NOBODYS = { etag: '"nobodys"', sizeBytes: 5, checksums: {} };
/** A HEAD has no body: what it is that is missing cannot be told. */
const BODILESS = ['find'];

/** Where every call fails alike: nobody there, no bucket, another account's bucket. */
export function describeInboxPlace(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  test.each(INBOX_CALLS)('%s where nobody answers is S3_UNREACHABLE', async (_, call) => {
    const [port = 0] = await findFreePorts(1);
    await s.expectCode(call(s.inbox({ endpoint: `https://127.0.0.1:${port}` }), NOBODYS), 'S3_UNREACHABLE');
  });

  test.each(INBOX_CALLS)('%s where the certificate is a stranger is S3_UNREACHABLE', async (_, call) => {
    await s.expectCode(call(s.inbox({ systemTrust: true }), NOBODYS), 'S3_UNREACHABLE');
  });

  test.each(INBOX_CALLS.filter(([name]) => !BODILESS.includes(name)))(
    '%s without a bucket is BUCKET_MISSING',
    async (_, call) => {
      const keys = await run.issueKeys([{ Effect: 'Allow', Action: 's3:*', Resource: '*' }]);
      await s.expectCode(call(s.inbox({ bucket: `${run.bucket}-missing` }, keys), NOBODYS), 'BUCKET_MISSING');
    },
  );

  test.each(INBOX_CALLS)("%s to another account's bucket is denied", async (name, call) => {
    const etag = await s.place(CALLED_KEY, 'bytes');
    const store = s.inbox({ expectedBucketOwner: '999999999999' });
    const code = name === 'find' || name === 'findOther' ? 'OBJECT_UNSEEN' : 'ACCESS_DENIED'; // as if nobody may list
    await s.expectCode(call(store, { ...NOBODYS, etag }), code, { 'owner-unchecked': 'accepted' });
  });

  test.each(INBOX_CALLS)('%s: the right owner is let in', async (_, call) => {
    const etag = await s.place(CALLED_KEY, 'bytes');
    await call(s.inbox({ expectedBucketOwner: run.engine.accountId }), { ...NOBODYS, etag });
  });
}
