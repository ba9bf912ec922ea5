import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { itWhere, missingForMounts } from '../support/needs';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

describe('an outbox on a mount', () => {
  let courier: Courier;
  let mounts: string[] = [];
  function mount(...args: string[]): void {
    execFileSync('mount', args);
    mounts.push(args.at(-1)!);
  }
  afterEach(async () => {
    await courier.stop();
    for (const each of mounts.reverse()) execFileSync('umount', [each]);
    mounts = [];
    await courier.end();
  });
  const outbox = () => courier.component.status().outboxes[0]!;

  itWhere(missingForMounts(), 'of its own has its spool inside, with a warning', async () => {
    courier = (await Courier.create()).claims();
    mount('-t', 'tmpfs', 'none', courier.outbox);
    courier.drop('deep/a', 'x');
    await courier.start();
    await courier.delivered(1);
    await until('it is gone', () => filesIn(courier.outbox).length === 0);
    expect(outbox().spool).toBe(join(courier.outbox, '.courier'));
    expect(outbox().problems).toEqual([
      expect.stringContaining('a program that clears the outbox would clear them too'),
    ]);
  });

  itWhere(
    missingForMounts(),
    'whose folder below is bound from elsewhere: one device, no rename, sent from where it lies',
    async () => {
      courier = (await Courier.create()).claims();
      const elsewhere = join(courier.dir, 'elsewhere');
      mkdirSync(elsewhere);
      mkdirSync(join(courier.outbox, 'bound'));
      mount('--bind', elsewhere, join(courier.outbox, 'bound'));
      expect(statSync(join(courier.outbox, 'bound')).dev).toBe(statSync(courier.outbox).dev);
      courier.drop('bound/a', 'x');
      courier.drop('b', 'y');
      await courier.start();
      await courier.delivered(2);
      await until('the other is gone', () => !existsSync(join(courier.outbox, 'b')) && outbox().sent === 0);
      expect(existsSync(join(elsewhere, 'a'))).toBe(true);
      writeFileSync(join(elsewhere, 'a'), 'another');
      await courier.delivered(3);
      expect((await courier.content('device00/outbox/bound/a')).toString()).toBe('another');
    },
  );

  itWhere(missingForMounts(), 'that is read-only is sent from where it lies, once', async () => {
    courier = (await Courier.create()).claims();
    courier.drop('a', 'x');
    mount('--bind', courier.outbox, courier.outbox);
    execFileSync('mount', ['-o', 'remount,bind,ro', courier.outbox]);
    await courier.start();
    await courier.delivered(1);
    await courier.stop();
    await courier.start();
    await until('a look', () => outbox().lastScanAtMs !== undefined);
    expect(courier.component.status().uploads).toMatchObject({ done: 1, queued: 0 });
    expect(outbox().spool).toBeUndefined();
  });

  itWhere(missingForMounts(), 'that comes after the start is seen', async () => {
    courier = (await Courier.create()).claims();
    await courier.start();
    await until('a look', () => outbox().lastScanAtMs !== undefined);
    mount('-t', 'tmpfs', 'none', courier.outbox);
    courier.drop('a', 'x');
    await courier.delivered(1);
  });

  itWhere(missingForMounts(), 'that is full keeps what it has, and goes on when there is room', async () => {
    courier = (await Courier.create()).claims();
    mount('-t', 'tmpfs', '-o', 'nr_inodes=12', 'none', courier.outbox);
    const filled: string[] = [];
    expect(() => {
      for (let i = 0; i < 20; i++) filled.push(courier.drop(`f${i}`, 'x'));
    }).toThrow('ENOSPC');
    await courier.start();
    await until(
      'it is told',
      () => outbox().problems.length > 0 || courier.component.status().uploads.done > 0,
      outbox,
    );
    execFileSync('mount', ['-o', 'remount,nr_inodes=100', courier.outbox]);
    await courier.delivered(filled.length);
  });

  itWhere(missingForMounts('vfat'), 'of FAT settles by time and size', async () => {
    courier = (await Courier.create()).claims({ settleSeconds: 0.3 });
    const image = join(courier.dir, 'fat.img');
    makeFat(image);
    mount('-o', 'loop', '-t', 'vfat', image, courier.outbox);
    courier.drop('a.txt', 'x');
    courier.drop('deep/b.txt', 'y');
    await courier.start();
    await courier.delivered(2);
    await until('they are gone', () => filesIn(courier.outbox).length === 0);
  });
});

/** An empty FAT16 of 16 MiB: boot sector, two tables, root folder. */
function makeFat(image: string): void {
  const [sectors, tableSectors] = [32_768, 128];
  const boot = Buffer.alloc(512);
  boot.set([0xeb, 0x3c, 0x90]);
  boot.write('MSWIN4.1', 3, 'latin1');
  boot.writeUInt16LE(512, 11); // bytes per sector
  boot.writeUInt8(1, 13); // sectors per cluster
  boot.writeUInt16LE(1, 14); // reserved sectors
  boot.writeUInt8(2, 16); // tables
  boot.writeUInt16LE(512, 17); // entries of the root folder
  boot.writeUInt16LE(sectors, 19);
  boot.writeUInt8(0xf8, 21); // fixed disk
  boot.writeUInt16LE(tableSectors, 22);
  boot.writeUInt8(0x29, 38);
  boot.write('COURIER    FAT16   ', 43, 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  writeFileSync(image, boot);
  truncateSync(image, sectors * 512);
  const fd = openSync(image, 'r+');
  for (const table of [0, 1])
    writeSync(fd, Buffer.from([0xf8, 0xff, 0xff, 0xff]), 0, 4, 512 * (1 + table * tableSectors));
  closeSync(fd);
}
