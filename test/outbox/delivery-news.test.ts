import { chmodSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askDaemon } from '../../src/cli/ask-daemon';
import type { DeliveryEvent, UploadSummary } from '../../src/control/protocol';
import { Courier } from '../support/courier';
import { until } from '../support/until';

describe('a producer', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const wait = (name: string): Promise<UploadSummary> =>
    askDaemon(join(courier.dir, 'state'), { command: 'wait', path: join(courier.outbox, name) });

  it.each(['move', 'leave'])('is told when its file is delivered (claim: %s)', async (claim) => {
    courier = (await Courier.create()).claims({ claim });
    await courier.cloud.goOffline();
    await courier.start();
    courier.drop('a.txt', 'x');
    let told: UploadSummary | undefined;
    const waiting = wait('a.txt').then((summary) => {
      told = summary;
    });
    await courier.logged('link is down, waiting');
    expect(told).toBeUndefined();
    await courier.cloud.goOnline();
    await waiting;
    expect(told).toMatchObject({ state: 'done', key: 'device00/outbox/a.txt', outcome: 'delivered' });
    expect(courier.keys()).toEqual(['device00/outbox/a.txt']);
    expect(await wait('a.txt')).toMatchObject({ state: 'done' }); // also later
  });

  it('is told of a file that cannot be delivered, that is ignored, that is none', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    const long = `${'d'.repeat(250)}/`.repeat(5);
    courier.drop(`${long}f`, 'x');
    await expect(wait(`${long}f`)).rejects.toThrow(/cannot be delivered: .*1,?024/);
    await expect(wait('.hidden')).rejects.toThrow(/ignored by its name.*rename/);
    await expect(wait('nothing')).rejects.toThrow(/no file .*nothing.*check its name/);
    await expect(askDaemon(join(courier.dir, 'state'), { command: 'wait', path: '/elsewhere/x' })).rejects.toThrow(
      /in no outbox/,
    );
  });

  it('hears of every file as it is delivered', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    const heard: DeliveryEvent[] = [];
    const listening = askDaemon<DeliveryEvent>(join(courier.dir, 'state'), { command: 'events' }, (event) =>
      heard.push(event),
    ).catch(() => undefined);
    let n = 0;
    await until('it listens', () => {
      courier.drop(`f${n++}`, 'x');
      return heard.length > 0;
    });
    courier.drop('last.txt', 'x');
    await until('the last one', () => heard.some(({ upload }) => upload.path === 'last.txt'));
    expect(heard.every(({ event }) => event === 'delivered')).toBe(true);
    await courier.stop();
    await listening;
  });
});

describe('duplicates: skip', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('sends the same content under the same path once, and anything else', async () => {
    courier = (await Courier.create()).claims({ duplicates: 'skip' });
    await courier.start();
    for (const [i, content] of ['one', 'one', 'two', 'one'].entries()) {
      courier.drop('a.txt', content);
      await courier.delivered(i + 1);
    }
    expect(courier.cloud.counters.PutObject).toBe(3);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('one');
    expect(courier.component.list('done').map(({ outcome }) => outcome)).toEqual([
      'delivered',
      'delivered',
      'skipped',
      'delivered',
    ]);
  });
});

describe('a file sent in place', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('that is only touched is not sent again; another with its size and mtime is', async () => {
    courier = await Courier.create(); // it leaves files where they lie
    const file = courier.drop('a.jpg', 'first');
    utimesSync(file, 1_000, 1_000);
    await courier.start();
    await courier.delivered(1);
    chmodSync(file, 0o640);
    await courier.delivered(2);
    expect(courier.component.list('done')[0]).toMatchObject({ outcome: 'skipped' });
    const beside = join(courier.dir, 'beside');
    writeFileSync(beside, 'other');
    utimesSync(beside, 1_000, 1_000);
    renameSync(beside, file);
    await courier.delivered(3);
    expect((await courier.content('device00/outbox/a.jpg')).toString()).toBe('other');
    expect(courier.cloud.counters.PutObject).toBe(2);
  });
});

describe('the history of uploads', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('is kept short, while the sums stay true and files sent in place stay remembered', async () => {
    courier = await Courier.create({ config: { state: { historyFiles: 5 } } });
    courier.claims({ rules: [{ match: '*.log', claim: 'leave' }] });
    (courier.sections.state as { dir?: string }).dir = join(courier.dir, 'state');
    courier.drop('kept.log', 'x');
    await courier.start();
    await courier.delivered(1);
    for (let i = 0; i < 20; i++) courier.drop(`f${i}`, 'x');
    await courier.delivered(21);
    await until('the spool is empty', () => courier.component.status().outboxes[0]!.sent === 0);
    await courier.stop();
    await courier.start();
    await until('rows are forgotten', () => courier.component.list('done').length <= 6);
    expect(courier.component.status().uploads.done).toBe(21);
    expect(courier.component.list('done').map(({ path }) => path)).toContain('kept.log');
    courier.drop('later.txt', 'x');
    await courier.delivered(22);
    expect(courier.cloud.requests.filter(({ key }) => key?.endsWith('kept.log'))).toHaveLength(1);
    rmSync(join(courier.outbox, 'kept.log'));
  });
});
