import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { until } from '../support/until';

describe('what a start finds in the spool', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const spool = (): string => courier.component.status().outboxes[0]!.spool!;
  const leftOver = (folder: string, batch: number, path: string, content: string): void => {
    const to = join(folder, String(batch).padStart(10, '0'));
    mkdirSync(to, { recursive: true });
    writeFileSync(join(to, path), content);
  };

  it('of an older batch and without a row does not go over a newer version', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    courier.drop('first', 'x');
    await courier.delivered(1);
    courier.drop('a.txt', 'newer');
    await courier.delivered(2);
    const folder = spool();
    await courier.stop();
    leftOver(folder, 1, 'a.txt', 'older'); // was being written when its batch had its rows
    await courier.start();
    await courier.delivered(3);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('newer');
    const late = courier.keys().filter((key) => /a-.*\.txt$/.test(key));
    expect(late).toHaveLength(1);
    expect((await courier.content(late[0]!)).toString()).toBe('older');
  });

  it('is sent when its disk is back, after it was missing', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    courier.drop('a.txt', 'content');
    await until('claimed', () => courier.component.status().uploads.queued === 1);
    const folder = spool();
    await courier.stop();
    renameSync(folder, `${folder}.away`);
    await courier.cloud.goOnline();
    await courier.start();
    await until('it is missing', () => courier.component.status().uploads.failed === 1);
    await courier.stop();
    renameSync(`${folder}.away`, folder);
    await courier.start();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('content');
  });
});
