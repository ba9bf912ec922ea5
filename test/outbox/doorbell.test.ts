import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Doorbell } from '../../src/outbox/doorbell';
import { LocalCloud } from '../local-cloud/local-cloud';
import { Courier } from '../support/courier';
import { Device } from '../support/device';
import { itWhere } from '../support/needs';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** Whether this process has an inotify watch on the folder. */
function isWatched(folder: string): boolean {
  const mark = `ino:${statSync(folder).ino.toString(16)} `;
  return readdirSync('/proc/self/fdinfo').some((fd) => {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      return text.split('\n').some((line) => line.startsWith('inotify') && line.includes(mark));
    } catch {
      return false; // closed meanwhile
    }
  });
}

describe('the doorbell', () => {
  let dir: string;
  let bell: Doorbell;
  let rings: number;
  const ring = (): void => {
    rings += 1;
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'bell-'));
    rings = 0;
    bell = new Doorbell(dir, (path) => path.includes('/.'), silentLog);
  });
  afterEach(async () => {
    await bell.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const few = { largestFolder: 1, claimed: 0 };

  it('rings when something moves, once for many things', async () => {
    await bell.attend(few, ring);
    await until('it listens', () => isWatched(dir));
    for (let i = 0; i < 500; i++) writeFileSync(join(dir, `f${i}`), 'x');
    await until('it rings', () => rings > 0);
    expect(rings).toBeLessThan(10);
  });

  it('listens to folders, old and new, and not to files', async () => {
    mkdirSync(join(dir, 'old'));
    writeFileSync(join(dir, 'file'), 'x');
    await bell.attend(few, ring);
    await until('it listens', () => isWatched(join(dir, 'old')));
    mkdirSync(join(dir, 'new'));
    await until('it listens there too', () => isWatched(join(dir, 'new')));
    expect(isWatched(join(dir, 'file'))).toBe(false);
    const before = rings;
    writeFileSync(join(dir, 'new/file'), 'x');
    await until('it rings', () => rings > before);
  });

  it('listens to the folder that has the name now', async () => {
    await bell.attend(few, ring);
    await until('it listens', () => isWatched(dir));
    rmSync(dir, { recursive: true });
    await bell.attend(few, ring);
    mkdirSync(dir);
    await bell.attend(few, ring);
    await until('it listens again', () => isWatched(dir));
  });

  it.each([
    ['a folder has more than 5,000 entries', { largestFolder: 5_001, claimed: 0 }],
    ['looks run back to back', { largestFolder: 1, claimed: 1_024 }],
  ])('does not listen while %s', async (_, look) => {
    await bell.attend(few, ring);
    await until('it listens', () => isWatched(dir));
    await bell.attend(look, ring);
    expect(isWatched(dir)).toBe(false);
    await bell.attend(few, ring);
    await until('it listens again', () => isWatched(dir));
  });
});

describe('a courier with a doorbell', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('sees what is dropped well before rescanSeconds', async () => {
    courier = (await Courier.create()).claims({ rescanSeconds: 86_400 });
    await courier.start();
    await until('it listens', () => isWatched(courier.outbox));
    courier.drop('a', 'x');
    await courier.delivered(1);
    courier.drop('new/folder/b', 'x');
    await courier.delivered(2);
  });

  it('does not listen to a folder with more than 5,000 entries, and then to it again', async () => {
    courier = (await Courier.create()).claims();
    for (let i = 0; i <= 5_000; i++) courier.drop(`${i}.tmp`, '');
    await courier.start();
    const outbox = () => courier.component.status().outboxes[0]!;
    await until('a look', () => outbox().lastScanAtMs !== undefined);
    expect(isWatched(courier.outbox)).toBe(false);
    courier.drop('a', 'x');
    await courier.delivered(1);
    expect(isWatched(courier.outbox)).toBe(false);
    rmSync(join(courier.outbox, '0.tmp'));
    await until('it listens', () => isWatched(courier.outbox));
  });
});

/** Limits of a user namespace of its own, so that nobody else's are touched. */
const LIMITS = [
  ['no watch', 'max_inotify_watches', 'ENOSPC', 'raise fs.inotify.max_user_watches'],
  ['no inotify instance', 'max_inotify_instances', 'EMFILE', 'raise fs.inotify.max_user_instances'],
] as const;

function missingForLimits(): string | undefined {
  try {
    execFileSync('unshare', ['-U', '-r', 'sh', '-c', 'echo 0 >/proc/sys/user/max_inotify_watches'], {
      stdio: 'ignore',
    });
    return undefined;
  } catch {
    return 'needs user namespaces';
  }
}

describe('a daemon that is given', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'bell-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    device = await Device.create({ dir: join(dir, 'device'), cloud, config: {} });
  });
  afterEach(async () => {
    await device.stop();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const [what, limit, code, hint] of LIMITS) {
    itWhere(missingForLimits(), `${what} looks every rescanSeconds instead, and says so once`, async () => {
      const script = `echo 0 >/proc/sys/user/${limit} && exec "$@"`;
      device.start([], [], ['unshare', '-U', '-r', 'sh', '-c', script, 'sh']);
      for (let i = 0; i < 3; i++) {
        writeFileSync(join(device.outbox, `f${i}`), 'x');
        await device.delivered(i + 1);
      }
      await device.stop(); // then all it has said has come
      const said = device.output.split('\n').filter((line) => line.includes('cannot listen for new files'));
      expect(said).toHaveLength(1);
      expect(JSON.parse(said[0]!)).toMatchObject({ code, reason: expect.stringContaining(hint) as string });
    });
  }
});
