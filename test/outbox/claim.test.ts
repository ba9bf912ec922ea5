import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { until } from '../support/until';

/** Files below a folder. */
const filesIn = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true, withFileTypes: true }) as import('node:fs').Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('claimed files', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const outboxStatus = () => courier.component.status().outboxes[0]!;
  const spooled = (): string[] => filesIn(outboxStatus().spool!);

  it('leave the outbox, arrive, and are gone', async () => {
    courier = (await Courier.create()).claims();
    courier.drop('a.txt', 'first');
    courier.drop('deep/er/b.txt', 'second');
    await courier.start();
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('first');
    expect((await courier.content('device00/outbox/deep/er/b.txt')).toString()).toBe('second');
    await until('the spool is empty', () => readdirSync(outboxStatus().spool!).length === 0, outboxStatus);
    expect(filesIn(courier.outbox)).toEqual([]);
    expect(existsSync(join(courier.outbox, 'deep/er'))).toBe(true);
  });

  it('of one name dropped while offline are all delivered, in order', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    await courier.cloud.goOffline();
    for (const version of ['one', 'two', 'three']) {
      courier.drop('a.txt', version);
      await until('claimed', () => !existsSync(join(courier.outbox, 'a.txt')));
    }
    expect(spooled()).toHaveLength(3);
    await courier.stop();
    await courier.start();
    await courier.cloud.goOnline();
    await courier.delivered(3);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('three');
    const sent = courier.component.list('done').map(({ sizeBytes }) => sizeBytes);
    expect(sent).toEqual([5, 3, 3]);
    await until('the spool is empty', () => spooled().length === 0);
  });

  it('wait until they have not changed for settleSeconds', async () => {
    courier = (await Courier.create()).claims({ settleSeconds: 1 });
    await courier.start();
    const fd = openSync(join(courier.outbox, 'slow.log'), 'w');
    for (let i = 0; i < 15; i++) {
      writeSync(fd, `line ${i}\n`);
      const seen = outboxStatus().lastScanAtMs;
      await until('another look', () => outboxStatus().lastScanAtMs !== seen);
    }
    expect(courier.component.status().uploads.done).toBe(0);
    closeSync(fd);
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/slow.log')).toString()).toMatch(/line 14\n$/);
  });

  it.each(['deleted', 'garbage', 'newer build'])('survive a ledger that is lost: %s', async (how) => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    for (let i = 0; i < 300; i++) courier.drop(`f${String(i).padStart(4, '0')}.txt`, `content ${i}`);
    courier.drop('again.txt', 'old');
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    courier.drop('again.txt', 'newer');
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    await courier.stop();
    const ledger = join(courier.dir, 'state/ledger.sqlite');
    if (how === 'newer build') {
      const { default: Database } = await import('better-sqlite3');
      const db = new Database(ledger);
      db.exec("PRAGMA user_version = 99; UPDATE ledger_meta SET value = '99' WHERE name = 'oldest_reader'");
      db.close();
    } else {
      for (const suffix of ['', '-wal', '-shm']) rmSync(ledger + suffix, { force: true });
      if (how === 'garbage') writeFileSync(ledger, Buffer.alloc(100_000, 'garbage'));
    }
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(302);
    expect((await courier.content('device00/outbox/again.txt')).toString()).toBe('newer');
    expect((await courier.content('device00/outbox/f0299.txt')).toString()).toBe('content 299');
    await until('the spool is empty', () => spooled().length === 0);
  });

  it('held open for writing are not claimed, and what is written after the claim is a new version', async () => {
    courier = (await Courier.create()).claims({ openWriterSeconds: 1 });
    const file = join(courier.outbox, 'open.log');
    const { spawn } = await import('node:child_process');
    const writer = spawn('sh', [
      '-c',
      `exec 3>'${file}'; echo one >&3; echo ready; read x; echo two >&3; echo ready; read x`,
    ]);
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    await courier.start();
    await until('it is seen to be held', () => outboxStatus().held === 1, outboxStatus);
    expect(existsSync(file)).toBe(true);
    await courier.delivered(1); // after openWriterSeconds
    expect((await courier.content('device00/outbox/open.log')).toString()).toBe('one\n');
    expect(courier.logs.some(({ message }) => message.includes('claimed although'))).toBe(true);
    const written = new Promise((resolve) => writer.stdout.once('data', resolve));
    writer.stdin.write('\n');
    await written;
    writer.stdin.end('\n');
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/open.log')).toString()).toBe('one\ntwo\n');
    await until('the spool is empty', () => spooled().length === 0);
  });

  it('stay where they are when the rule says so, and are remembered', async () => {
    courier = (await Courier.create()).claims({
      rules: [
        { match: '*.log', claim: 'leave' },
        { match: 'ring/**', claim: 'leave', afterUpload: 'delete' },
      ],
    });
    courier.drop('a.log', 'x');
    courier.drop('ring/b.jpg', 'y');
    courier.drop('c.txt', 'z');
    await courier.start();
    await courier.delivered(3);
    await until('two are gone', () => filesIn(courier.outbox).length === 1);
    expect(filesIn(courier.outbox)).toEqual([join(courier.outbox, 'a.log')]);
    await courier.stop();
    await courier.start();
    await until('another look', () => outboxStatus().lastScanAtMs !== undefined);
    expect(courier.component.status().uploads).toMatchObject({ done: 3, queued: 0 });
  });

  it('are kept in sentDir', async () => {
    courier = await Courier.create();
    const sentDir = join(courier.dir, 'sent');
    courier.claims({ afterUpload: 'keep', sentDir });
    courier.drop('deep/a.txt', 'kept');
    await courier.start();
    await courier.delivered(1);
    await until('it is moved', () => existsSync(sentDir) && filesIn(sentDir).length === 1);
    expect(readFileSync(filesIn(sentDir)[0]!, 'utf8')).toBe('kept');
    expect(spooled()).toEqual([]);
  });

  it('wait for their marker', async () => {
    courier = (await Courier.create()).claims({ rules: [{ match: '*.csv', marker: '.ready' }] });
    courier.drop('data.csv', 'a;b');
    await courier.start();
    await until('two looks', () => outboxStatus().files === 1);
    courier.drop('data.csv.ready', '');
    await courier.delivered(1);
    expect(courier.keys()).toEqual(['device00/outbox/data.csv']);
    await until('the marker is gone', () => filesIn(courier.outbox).length === 0);
  });

  it('are neither hidden, half written, links nor sockets', async () => {
    courier = (await Courier.create()).claims({ ignore: ['node_modules', '*.bak'] });
    for (const name of ['.hidden', 'x.tmp', 'y.part', 'node_modules/a.js', 'z.bak', '.git/config'])
      courier.drop(name, 'no');
    courier.drop('yes.txt', 'yes');
    symlinkSync('/etc/passwd', join(courier.outbox, 'link'));
    mkdirSync(join(courier.dir, 'elsewhere'));
    writeFileSync(join(courier.dir, 'elsewhere/secret'), 'no');
    symlinkSync(join(courier.dir, 'elsewhere'), join(courier.outbox, 'folder-link'));
    await courier.start();
    await courier.delivered(1);
    await until('another look', () => outboxStatus().odd.count === 2, outboxStatus);
    expect(outboxStatus().odd.examples).toEqual(expect.arrayContaining(['symlink link', 'symlink folder-link']));
    expect(courier.keys()).toEqual(['device00/outbox/yes.txt']);
    expect(filesIn(courier.outbox)).toHaveLength(6);
  });

  it('leave no folders behind that a kill left empty', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    courier.drop('a.txt', 'waits');
    await courier.start();
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    const spool = outboxStatus().spool!;
    await courier.stop();
    mkdirSync(join(spool, '0000000001/deep/er'), { recursive: true }); // its files are delivered and gone
    mkdirSync(join(spool, '0000000002/deep/er'), { recursive: true }); // its files were not moved any more
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(1);
    await until(
      'the spool is empty',
      () => readdirSync(spool).length === 0,
      () => readdirSync(spool),
    );
  });

  it('that never got their row do not go over a newer version', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    for (const version of ['older', 'newer!']) {
      courier.drop('a.txt', version);
      await until('claimed', () => filesIn(courier.outbox).length === 0);
    }
    await until('two rows', () => courier.component.status().uploads.queued === 2);
    await courier.stop();
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(join(courier.dir, 'state/ledger.sqlite'));
    db.exec('DELETE FROM upload WHERE batch = 1'); // as if it had been written to since the look, until the kill
    db.close();
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('newer!');
    expect(courier.keys()).toHaveLength(2);
    await until('the spool is empty', () => spooled().length === 0);
  });

  it('are deleted in their order, so that a lost ledger brings back no older version alone', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    courier.drop('a.txt', 'older');
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    const { spawn } = await import('node:child_process');
    const holder = spawn('sh', ['-c', `exec 3>>'${spooled()[0]}'; echo ready; read x`]);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    courier.drop('a.txt', 'newer!');
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    await courier.cloud.goOnline();
    await courier.delivered(2);
    courier.drop('b.txt', 'another');
    await courier.delivered(3);
    await until('the other is deleted', () => !spooled().some((file) => file.endsWith('b.txt')), spooled);
    await courier.stop();
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.stdin.end('\n');
    await ended;
    for (const suffix of ['', '-wal', '-shm'])
      rmSync(join(courier.dir, `state/ledger.sqlite${suffix}`), { force: true });
    await courier.start();
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('newer!');
    await until('the spool is empty', () => spooled().length === 0, spooled);
  });

  it('are claimed although a kill left the trial of the last start', async () => {
    courier = (await Courier.create()).claims();
    for (const name of ['.courier-trial', `.courier-trial-${process.pid}`]) courier.drop(name, '');
    courier.drop('a.txt', 'x');
    await courier.start();
    expect(outboxStatus().spool).toContain(join(courier.dir, 'state/spool'));
    await courier.delivered(1);
    await until('it is gone', () => !existsSync(join(courier.outbox, 'a.txt')));
    expect(existsSync(join(courier.outbox, '.courier-trial'))).toBe(false);
  });

  it('that are replaced while they wait are both delivered', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    courier.drop('a.txt', 'old');
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    writeFileSync(join(courier.dir, 'b'), 'newer!');
    utimesSync(join(courier.dir, 'b'), 1, 1);
    renameSync(join(courier.dir, 'b'), join(courier.outbox, 'a.txt'));
    await until('claimed', () => filesIn(courier.outbox).length === 0);
    await courier.cloud.goOnline();
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('newer!');
  });
});

describe('an outbox that comes later', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('has its files claimed as soon as it is there', async () => {
    courier = (await Courier.create()).claims();
    rmSync(courier.outbox, { recursive: true });
    await courier.start();
    const problems = () => courier.component.status().outboxes[0]!.problems;
    await until('it is missed', () => problems().some((one) => one.includes('mkdir -p')));
    courier.drop('a.txt', 'x');
    await courier.delivered(1);
    await until('the file is gone', () => filesIn(courier.outbox).length === 0);
    expect(problems()).toEqual([]);
  });
});
