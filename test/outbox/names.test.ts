import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { itWhere, missingForUsers } from '../support/needs';
import { until } from '../support/until';

describe('names in the outbox', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const status = () => courier.component.status().outboxes[0]!;
  const dropBytes = (name: Buffer, content: string): void =>
    writeFileSync(Buffer.concat([Buffer.from(`${courier.outbox}/`), name]), content);
  const twoLooks = async (): Promise<void> => {
    for (let i = 0; i < 2; i++) {
      const seen = status().lastScanAtMs;
      await until('a look', () => status().lastScanAtMs !== seen);
    }
  };

  it('are bytes: Shift-JIS, control characters and what looks like neither', async () => {
    courier = (await Courier.create()).claims();
    const test = Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67]); // テスト in Shift-JIS
    mkdirSync(Buffer.concat([Buffer.from(`${courier.outbox}/`), test]));
    dropBytes(Buffer.concat([test, Buffer.from('/'), test, Buffer.from('.txt')]), 'shift-jis');
    dropBytes(Buffer.from('two\nlines\x07'), 'control');
    dropBytes(Buffer.from('100%.txt'), 'per cent');
    dropBytes(Buffer.from('テスト.txt'), 'utf-8');
    dropBytes(Buffer.from('-rf'), 'dash');
    dropBytes(Buffer.from('a\\b'), 'backslash');
    await courier.start();
    await courier.delivered(6);
    const content = async (key: string): Promise<string> =>
      (await courier.content(`device00/outbox/${key}`)).toString();
    expect(await content('%83e%83X%83g/%83e%83X%83g.txt')).toBe('shift-jis');
    expect(await content('two%0Alines%07')).toBe('control');
    expect(await content('100%.txt')).toBe('per cent');
    expect(await content('テスト.txt')).toBe('utf-8');
    expect(await content('-rf')).toBe('dash');
    expect(await content('a\\b')).toBe('backslash');
    await until('all are gone', () => status().sent === 0 && readdirSync(status().spool!).length === 0, status);
  });

  it('that are no files are left and listed', async () => {
    courier = (await Courier.create()).claims();
    const socket = createServer().listen(join(courier.outbox, 'socket'));
    execFileSync('mkfifo', [join(courier.outbox, 'fifo')]);
    symlinkSync('/etc/passwd', join(courier.outbox, 'link'));
    courier.drop('file', 'yes');
    await courier.start();
    await courier.delivered(1);
    await twoLooks();
    expect(status().odd.count).toBe(3);
    expect([...status().odd.examples].sort()).toEqual(['FIFO fifo', 'socket socket', 'symlink link']);
    expect(readdirSync(courier.outbox).sort()).toEqual(['fifo', 'link', 'socket']);
    socket.close();
  });

  itWhere(missingForUsers(), 'that are devices are left and listed', async () => {
    courier = (await Courier.create()).claims();
    execFileSync('mknod', [join(courier.outbox, 'null'), 'c', '1', '3']);
    await courier.start();
    await until('it is listed', () => status().odd.count === 1);
    expect(status().odd.examples).toEqual(['device null']);
  });

  it('too long to have a marker beside them wait, and stop nobody', async () => {
    courier = (await Courier.create()).claims({ rules: [{ match: '*.csv', marker: '.ready' }] });
    courier.drop(`${'x'.repeat(251)}.csv`, 'never whole');
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.delivered(1);
  });

  it('that clash are told, but not each of a thousand', async () => {
    courier = (await Courier.create()).claims();
    for (let i = 0; i < 200; i++) {
      dropBytes(Buffer.from(`n${i}\n`), 'odd');
      dropBytes(Buffer.from(`n${i}%0A`), 'plain');
    }
    await courier.start();
    await courier.delivered(200);
    await twoLooks();
    expect(status().problems.length).toBeLessThan(30);
    expect(status().problems.at(-1)).toMatch(/^and 1\d\d more/);
    const told = courier.logs.filter(({ level }) => level === 'error').length;
    expect(told).toBeLessThan(100);
  });

  it('in a folder that comes and goes between looks', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    for (let i = 0; i < 3; i++) {
      rmSync(courier.outbox, { recursive: true });
      await until('it is missed', () => status().problems.length === 1, status);
      expect(status().problems[0]).toMatch(/does not exist; create it: mkdir -p/);
      mkdirSync(courier.outbox);
      courier.drop(`f${i}`, 'x');
      await courier.delivered(i + 1);
      await until('it is right again', () => status().problems.length === 0, status);
    }
  });
});
