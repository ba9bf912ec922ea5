import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { seedAPolicy, seedCPolicy } from '../local-cloud/seed-policies';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

describe('the inbox', () => {
  let site: InboxSite;

  afterEach(() => site.end());

  it('brings objects down and moves them to the archive', async () => {
    site = await InboxSite.create();
    await site.put('device00/inbox/a.txt', 'hello');
    await site.put('device00/inbox/deep/er/b c+ü%.txt', 'world');
    await site.put('device00/inbox/empty', '');
    await site.put('device00/inbox/folder/', '');
    await site.put('other/inbox/no.txt', 'not ours');
    await site.courier.start();
    await until('three archived', () => site.courier.keys().filter((key) => key.includes('/archive/')).length === 3);
    await site.settled();
    expect(site.read('a.txt')).toBe('hello');
    expect(site.read('deep/er/b c+ü%.txt')).toBe('world');
    expect(statSync(join(site.folder, 'empty')).size).toBe(0);
    expect(site.courier.keys()).toEqual([
      'device00/archive/a.txt',
      'device00/archive/deep/er/b c+ü%.txt',
      'device00/archive/empty',
      'device00/inbox/folder/',
      'other/inbox/no.txt',
    ]);
    expect(readdirSync(site.folder, { recursive: true }).filter((name) => String(name).includes('.courier-'))).toEqual(
      [],
    );
  });

  it('resumes a large object after a stop, from the bytes that are there', async () => {
    site = await InboxSite.create();
    const content = Buffer.alloc(40 * 1024 * 1024, 'x');
    await site.put('device00/inbox/big.bin', content);
    const { cloud } = site.courier;
    cloud.faults.add({ kind: 'truncate', operation: 'GetObject', count: 2 });
    await site.courier.start();
    await until(
      'archived',
      () => site.courier.keys().includes('device00/archive/big.bin'),
      () => site.courier.logs,
    );
    expect(readFileSync(join(site.folder, 'big.bin')).equals(content)).toBe(true);
    const gets = cloud.requests.filter(({ operation }) => operation === 'GetObject');
    expect(gets.length).toBe(3);
  });

  it('keeps what is in the archive already, and what is in the folder by rename', async () => {
    site = await InboxSite.create({ inbox: { onExisting: 'rename' } });
    await site.put('device00/archive/a.txt', 'archived before');
    await site.put('device00/inbox/a.txt', 'first');
    await site.courier.start();
    await site.settled();
    await site.put('device00/inbox/a.txt', 'second');
    await site.courier.component.pull([]);
    await until('second', () => existsSync(join(site.folder, 'a (1).txt')));
    await site.settled();
    expect(site.read('a.txt')).toBe('first');
    expect(site.read('a (1).txt')).toBe('second');
    expect((await site.courier.content('device00/archive/a.txt')).toString()).toBe('archived before');
    expect(site.courier.keys()).toHaveLength(3);
  });

  it('works with seed A: one file of a prefix, moved to another', async () => {
    site = await InboxSite.create({
      policy: seedAPolicy(Courier.bucket),
      inbox: { prefix: 'swx-test-a', archivePrefix: 'swx-test-b', only: 'test.txt' },
    });
    await site.put('swx-test-a/test.txt', 'seed A');
    await site.put('swx-test-a/other.txt', 'left alone');
    await site.courier.start();
    await until('moved', () => site.courier.keys().includes('swx-test-b/test.txt'));
    await site.settled();
    expect(site.read('test.txt')).toBe('seed A');
    expect(site.courier.keys()).toEqual(['swx-test-a/other.txt', 'swx-test-b/test.txt']);
  });

  it('works with seed C: a key at the root, GetObject alone, once per version', async () => {
    site = await InboxSite.create({
      policy: seedCPolicy(Courier.bucket),
      inbox: { keys: ['hoge.txt'], pollMinutes: 0.001 },
    });
    await site.put('hoge.txt', 'one');
    await site.courier.start();
    await until('landed', () => existsSync(join(site.folder, 'hoge.txt')));
    await site.settled();
    const { cloud } = site.courier;
    await until('304s', () => cloud.requests.filter(({ status }) => status === 304).length >= 3);
    const operations = new Set(cloud.requests.slice(1).map(({ operation }) => operation)); // the first is ours
    expect([...operations].sort()).toEqual(['Credentials', 'GetObject', 'HeadObject']);
    await site.put('hoge.txt', 'two!');
    await until('the next version', () => site.read('hoge.txt') === 'two!');
    expect(site.courier.keys()).toEqual(['hoge.txt']);
  });

  it('lands and leaves what it may not archive, says so once, and fetches it once', async () => {
    site = await InboxSite.create({
      policy: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: '*' }],
      },
    });
    await site.put('device00/inbox/a.txt', 'a');
    await site.put('device00/inbox/b.txt', 'b');
    await site.courier.start();
    await until('landed', () => existsSync(join(site.folder, 'a.txt')) && existsSync(join(site.folder, 'b.txt')));
    await site.settled();
    await site.courier.component.pull([]);
    await site.courier.component.pull(['device00/inbox/a.txt']);
    await site.settled();
    const gets = site.courier.cloud.requests.filter(({ operation }) => operation === 'GetObject');
    expect(gets).toHaveLength(2);
    expect(site.courier.logs.filter(({ message }) => message === 'landed, not archived: access denied')).toHaveLength(
      1,
    );
    expect(site.courier.component.status().inbox?.problems[0]).toMatch(/stay in the inbox: .*s3:PutObject/);
  });

  it('refuses names that lead elsewhere, and lets the others come', async () => {
    site = await InboxSite.create();
    for (const name of ['../up.txt', 'a//b.txt', './c.txt', 'x/../../y'])
      await site.put(`device00/inbox/${name}`, 'no');
    await site.put('device00/inbox/back\\slash.txt', 'mapped');
    await site.put('device00/inbox/fine.txt', 'yes');
    await site.courier.start();
    await until('fine', () => existsSync(join(site.folder, 'fine.txt')));
    await site.settled();
    expect(site.courier.component.status().inbox?.failed).toBe(4);
    expect(readdirSync(site.folder).sort()).toEqual([
      expect.stringMatching(/^back%5Cslash~[0-9a-f]{12}\.txt$/),
      'fine.txt',
    ]);
    expect(readdirSync(site.courier.dir).sort()).toEqual(['cloud', 'inbox', 'outbox', 'state']);
  });
});
