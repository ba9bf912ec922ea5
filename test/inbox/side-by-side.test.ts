import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

const LARGE_BYTES = 65 * 1024 * 1024;

describe('several objects under way at once', () => {
  let site: InboxSite;
  afterEach(() => site.end());

  it('large ones never get the last way down, though nobody knew how large they are', async () => {
    site = await InboxSite.create({ inbox: { parallelObjects: 2 }, config: { upload: { stallSeconds: 60 } } });
    const large = ['a1', 'a2'];
    const small = ['b1', 'b2', 'b3'];
    for (const name of large) await site.put(`device00/inbox/${name}`, Buffer.alloc(LARGE_BYTES, name));
    for (const name of small) await site.put(`device00/inbox/${name}`, name);
    const stuck = site.courier.cloud.faults.add({
      kind: 'stall',
      operation: 'GetObject',
      key: /inbox\/a\d$/,
      count: Number.POSITIVE_INFINITY,
    });
    await site.courier.start();
    await until(
      'the small ones',
      () => small.every((name) => site.courier.keys().includes(`device00/archive/${name}`)),
      () => site.courier.component.status(),
    );
    expect(stuck.hits).toBe(1);
    stuck.remove();
    stuck.release();
    const names = [...large, ...small];
    await until('all', () => names.every((name) => existsSync(join(site.folder, name))));
    expect(await site.courier.logged('archived', names.length)).toHaveLength(names.length);
    expect(site.courier.keys()).toEqual(names.map((name) => `device00/archive/${name}`));
    expect(readdirSync(site.folder).sort()).toEqual(names);
  });
});
