import { until } from '../engines/until';
import type { ContractRun } from './contract-run';
import { STORE_CALLS } from './store-calls';
import { attributesOf, NEVER, StoreRun } from './store-run';

const BYTES = Buffer.from('bytes');
/** Keys that may little, keys past their time, and a clock that is wrong. */
export function describeStoreAccess(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  test('s3:PutObject alone uploads, and is ACCESS_DENIED for all else', async () => {
    const store = await s.storeFor([
      { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::$BUCKET/press-1/*' },
    ]);
    await s.put(store, 'press-1/single', BYTES);
    const { upload, parts, whole } = await s.begin(store, 'press-1/parts', [BYTES]);
    await s.expectCode(store.listParts(upload, NEVER), 'ACCESS_DENIED');
    await store.completeMultipart(upload, parts, whole, false, NEVER);
    await s.expectCode(store.findObject('press-1/single', NEVER), 'ACCESS_DENIED');
    const { upload: other } = await s.begin(store, 'press-1/other', []);
    await s.expectCode(store.abortMultipart(other, NEVER), 'ACCESS_DENIED', { 'abort-needs-put-alone': 'accepted' });
    await s.expectCode(s.put(store, 'press-2/single', BYTES), 'ACCESS_DENIED');
    await s.expectCode(store.createMultipart(attributesOf('single'), NEVER), 'ACCESS_DENIED');
    const tagging = s.put(s.store({ tags: { a: 'b' } }, await s.keysFor('s3:PutObject')), 'tagged', BYTES);
    await s.expectCode(tagging, 'ACCESS_DENIED', { 'tagging-needs-no-permission': 'accepted' });
  });

  test('without s3:ListBucket a missing key is ACCESS_DENIED', async () => {
    const store = s.store({}, await s.keysFor('s3:GetObject'));
    if (run.deviates('missing-key-told-to-all') || run.deviates('missing-key-told-to-readers')) {
      expect(await store.findObject('missing', NEVER)).toBeUndefined();
      return;
    }
    await s.expectCode(store.findObject('missing', NEVER), 'ACCESS_DENIED');
  });

  test('keys past their time are renewed within the call, and CREDENTIALS_EXPIRED when that does not help', async () => {
    const old = await s.keysFor('s3:*', 1);
    await until('the end of a token', 10_000, async () =>
      old.expiration.getTime() < Date.now() - 500 ? true : undefined,
    );
    const renewing = s.store({ renew: async () => s.keys }, old);
    await s.put(renewing, 'renewed', BYTES);
    expect(await renewing.findObject('renewed', NEVER)).toMatchObject({ size: BYTES.length });
    for (const [, call] of STORE_CALLS) {
      await s.expectCode(call(s, s.store({}, old)), 'CREDENTIALS_EXPIRED', {
        'expired-token-is-access-denied': 'ACCESS_DENIED',
      });
    }
  });

  test.each([-3_600_000, 3_600_000])(
    'a clock that is wrong by %d ms is corrected within the call',
    async (clockErrorMs) => {
      await s.put(s.store({ clockErrorMs }), `clock/${clockErrorMs}`, BYTES);
      const found = await s.store({ clockErrorMs }).findObject(`clock/${clockErrorMs}`, NEVER);
      expect(found).toMatchObject({ size: BYTES.length });
    },
  );
}
