import { mkdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

/** What happens to the outbox between a look and an upload must lead to no file of others, and lose none of ours. */
describe('an outbox that others play with', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it.each(['of the same size and time', 'of another time'])(
    'sends nothing through a link put in place of a folder, %s',
    async (how) => {
      courier = (await Courier.create()).claims({ claim: 'leave' });
      await courier.cloud.goOffline();
      for (const [folder, content, seconds] of [
        ['outbox/a', 'mine..', 1_000],
        ['secret', 'secret', how === 'of another time' ? 2_000 : 1_000],
      ] as const) {
        const file = join(courier.dir, folder, 'b/file.txt');
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(file, content);
        utimesSync(file, seconds, seconds);
      }
      await courier.start();
      await until('queued', () => courier.component.status().uploads.queued === 1);
      await courier.stop();
      renameSync(join(courier.outbox, 'a'), join(courier.dir, 'away'));
      symlinkSync(join(courier.dir, 'secret'), join(courier.outbox, 'a'));
      await courier.cloud.goOnline();
      await courier.start();
      await until('all is concluded', () => {
        const { queued, uploading } = courier.component.status().uploads;
        return queued + uploading === 0;
      });
      for (const key of courier.keys()) expect((await courier.content(key)).toString()).not.toBe('secret');
      await courier.stop();
      renameSync(join(courier.outbox, 'a'), join(courier.dir, 'link'));
      renameSync(join(courier.dir, 'away'), join(courier.outbox, 'a'));
      await courier.start();
      await courier.delivered(1);
      expect((await courier.content('device00/outbox/a/b/file.txt')).toString()).toBe('mine..');
    },
  );

  it.each(['move', 'leave'])('delivers every version that is renamed over another while offline: %s', async (claim) => {
    courier = (await Courier.create()).claims({ claim });
    await courier.cloud.goOffline();
    await courier.start();
    for (let i = 0; i < 5; i++) {
      writeFileSync(join(courier.dir, 'new'), `version ${i}`);
      const { queued } = courier.component.status().uploads;
      renameSync(join(courier.dir, 'new'), join(courier.outbox, 'a.txt'));
      if (claim === 'move') await until('claimed', () => courier.component.status().uploads.queued === queued + 1);
    }
    await courier.cloud.goOnline();
    await until(
      'the last is there',
      async () =>
        courier.keys().length === 1 && (await courier.content('device00/outbox/a.txt')).toString() === 'version 4',
    );
    if (claim === 'move') await courier.delivered(5);
    else expect(readFileSync(join(courier.outbox, 'a.txt'), 'utf8')).toBe('version 4');
  });

  it('goes on when the outbox is cleared, a spool inside it too', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    const before = courier.drop('before', 'x');
    await courier.delivered(1);
    const spool = courier.component.status().outboxes[0]!.spool!;
    renameSync(spool, join(courier.dir, 'cleared'));
    const after = courier.drop('after', 'y');
    await courier.delivered(2);
    expect([before, after].filter((file) => filesIn(courier.outbox).includes(file))).toEqual([]);
  });
});
