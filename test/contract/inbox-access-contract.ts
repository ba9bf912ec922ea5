import { GetObjectTaggingCommand } from '@aws-sdk/client-s3';
import { until } from '../engines/until';
import { notedLog } from '../support/noted-log';
import type { ContractRun } from './contract-run';
import { CALLED_KEY, INBOX_CALLS } from './inbox-calls';
import type { InboxOptions } from './make-store';
import { readText } from './read-object';
import { NEVER, StoreRun } from './store-run';

const OBJECTS = 'arn:aws:s3:::$BUCKET/*';
const version = (etag: string) => ({ etag, sizeBytes: 5, checksums: {} });

/** Keys that may little, and keys past their time. */
export function describeInboxAccess(run: ContractRun): void {
  const s = new StoreRun(run);

  describe('inbox store, access', () => {
    let etag = '';
    beforeAll(async () => {
      await s.start();
      etag = await s.place(CALLED_KEY, 'bytes');
    });
    afterAll(() => s.stop());

    const looks = ['find', 'findOther'];
    test.each(INBOX_CALLS)('%s without its permission is denied', async (name, call) => {
      const keys = await s.keysFor('s3:AbortMultipartUpload');
      // Without s3:ListBucket nobody says whether there is any.
      const code = looks.includes(name) ? 'OBJECT_UNSEEN' : 'ACCESS_DENIED';
      await s.expectCode(call(s.inbox({}, keys), version(etag)), code);
      await s.expectCode(call(s.inbox({ copyMaxBytes: 1 }, keys), version(etag)), code);
      const looked = ['copy', 'remove'].includes(name) ? 'OBJECT_UNSEEN' : code;
      await s.expectCode(call(s.inbox({ heedsConditions: false }, keys), version(etag)), looked);
      expect(await readText(s.get(CALLED_KEY))).toBe('bytes');
    });

    test('find of what may be listed and not read is ACCESS_DENIED', async () => {
      const keys = await run.issueKeys([
        { Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::$BUCKET' },
      ]);
      await s.expectCode(s.inbox({}, keys).find(CALLED_KEY, NEVER), 'ACCESS_DENIED');
    });

    test('a copy needs to read there and to write here', async () => {
      const copyWith = async (...actions: string[]) => {
        const keys = await run.issueKeys([{ Effect: 'Allow', Action: actions, Resource: OBJECTS }]);
        return s.inbox({}, keys).copy(CALLED_KEY, version(etag), 'access/copy', false, NEVER);
      };
      await s.expectCode(copyWith('s3:GetObject'), 'ACCESS_DENIED');
      await s.expectCode(copyWith('s3:PutObject'), 'ACCESS_DENIED');
      await copyWith('s3:GetObject', 's3:PutObject');
      expect(await readText(s.get('access/copy'))).toBe('bytes');
    });

    const ways: readonly (readonly [string, Partial<InboxOptions>])[] = [
      ['at once', {}],
      ...(run.deviates('part-copy-by-token-is-a-crash') ? [] : [['in parts', { copyMaxBytes: 4 }] as const]),
    ];
    const denials: readonly [string, readonly string[]][] = [
      ['the permissions for tags', []],
      ['that to put them', ['s3:GetObjectTagging']],
      ['that to get them', ['s3:PutObjectTagging']],
    ];
    describe.each(ways)('%s', (_, options) => {
      test.each(denials)('without %s the copy goes without tags, which is told once', async (__, more) => {
        const may = {
          Effect: 'Allow',
          Action: ['s3:GetObject', 's3:PutObject', ...more],
          Resource: OBJECTS,
        } as const;
        const log = notedLog();
        const store = s.inbox({ log, ...options }, await run.issueKeys([may]));
        for (const key of ['access/tagged', 'access/tagged too']) {
          const tagged = await s.place(key, 'bytes', { Tagging: 'colour=blue', Metadata: { mode: '640' } });
          await store.copy(key, version(tagged), `${key}-copy`, false, NEVER);
          expect((await store.find(`${key}-copy`, NEVER))?.mode).toBe(0o640);
          const at = { Bucket: run.bucket, Key: `${key}-copy` };
          const { TagSet } = await s.s3.send(new GetObjectTaggingCommand(at));
          expect(TagSet).toHaveLength(run.deviates('tagging-needs-no-permission') ? 1 : 0);
        }
        expect(log.lines).toHaveLength(run.deviates('tagging-needs-no-permission') ? 0 : 1);
      });
    });

    test('without s3:ListBucket a missing object is OBJECT_UNSEEN', async () => {
      const store = s.inbox({}, await s.keysFor('s3:GetObject'));
      const isTold = run.deviates('missing-key-told-to-all') || run.deviates('missing-key-told-to-readers');
      await s.expectCode(store.find('access/missing', NEVER), isTold ? 'accepted' : 'OBJECT_UNSEEN');
      await s.expectCode(store.findOther('access/missing', undefined, NEVER), isTold ? 'accepted' : 'OBJECT_UNSEEN');
      const opened = store.file('access/missing').open(version(etag), 0, NEVER);
      await s.expectCode(opened, isTold ? 'OBJECT_MISSING' : 'ACCESS_DENIED');
    });

    test('keys past their time are renewed within the call, and CREDENTIALS_EXPIRED when that does not help', async () => {
      const old = await s.keysFor('s3:*', 1);
      await until('the end of a token', 10_000, async () =>
        old.expiration.getTime() < Date.now() - 500 ? true : undefined,
      );
      expect(await s.inbox({ renew: async () => s.keys }, old).find(CALLED_KEY, NEVER)).toMatchObject({ etag });
      for (const [name, call] of INBOX_CALLS)
        await s.expectCode(call(s.inbox({}, old), version(etag)), 'CREDENTIALS_EXPIRED', {
          'expired-token-is-access-denied': looks.includes(name) ? 'OBJECT_UNSEEN' : 'ACCESS_DENIED',
        });
    });
  });
}
