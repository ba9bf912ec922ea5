import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedCPolicy } from '../local-cloud/seed-policies';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

const KEY = 'device00/inbox/later.txt';
const BY_NAME: PolicyDocument = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], Resource: '*' }],
};

/** Without s3:ListBucket S3 answers a missing object as it answers one that is denied. */
describe('an object that S3 says nothing of', () => {
  let site: InboxSite;

  afterEach(() => site.end());

  const problems = () => site.courier.component.status().inbox!.problems;
  const unseen = () => problems().filter((problem) => problem.includes('not there, or denied'));

  it('waits, which is said once and to be seen, and comes when it is asked for again', async () => {
    site = await InboxSite.create({ policy: BY_NAME });
    await site.courier.start();
    await site.courier.component.pull([KEY]);
    const said = await site.courier.logged('an object is not there, or denied; it is looked for now and then');
    expect(said[0]).toMatchObject({ key: KEY, code: 'OBJECT_UNSEEN', reason: expect.stringContaining('put it there') });
    await until('it is told', () => unseen().length === 1);
    await site.courier.component.pull([KEY]);
    await until('looked for again', () => heads() >= 2);
    await site.put(KEY, 'there');
    await site.courier.component.pull([KEY]);
    await until('archived', () => /^device00\/archive\/later\S*\.txt$/.test(site.courier.keys().join(' ')));
    await until('ended', () => site.courier.component.status().inbox?.open === 0);
    expect(site.read('later.txt')).toBe('there');
    expect(unseen()).toEqual([]);
  });

  it('is polled by name at its pace all the same, and what is wrong is said once', async () => {
    site = await InboxSite.create({
      policy: seedCPolicy(Courier.bucket),
      inbox: { keys: ['hoge.txt'], pollMinutes: 0.001 },
    });
    await site.courier.start();
    const { cloud } = site.courier;
    await until('polled', () => cloud.requests.filter(({ operation }) => operation === 'GetObject').length >= 4);
    expect(await site.courier.logged('a key that is polled is not there, or denied')).toHaveLength(1);
    await until('it is to be seen', () => problems().some((problem) => problem.includes('s3:GetObject')));
    await site.put('hoge.txt', 'one');
    await until('landed', () => existsSync(join(site.folder, 'hoge.txt')));
    await site.settled();
    await until('nothing is wrong', () => problems().every((problem) => !problem.includes('put it there')));
  });

  const heads = (): number =>
    site.courier.cloud.requests.filter(({ operation, key }) => operation === 'HeadObject' && key === KEY).length;
});
