import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/until';
import { BUCKET, OperatorSite } from './operator-site';
import { SiteDevice } from './site-device';

describe('courier cloud send', () => {
  let site: OperatorSite;
  let device: SiteDevice | undefined;
  beforeAll(async () => {
    site = await OperatorSite.start();
    for (const thing of ['away', 'careless', 'careful', 'watched']) site.cloud.registry.createThing(thing);
  });
  afterAll(() => site.end());
  afterEach(async () => {
    await device?.stop();
    device = undefined;
    site.cloud.faults.clear();
    site.cloud.control.denied.clear();
    site.cloud.createBucket(BUCKET, { notifiesInbox: true });
  });

  const write = (name: string, content: string | Buffer): string => {
    const path = join(site.dir, name);
    writeFileSync(path, content);
    return path;
  };
  const keys = (prefix = ''): string[] =>
    site.cloud
      .objects(BUCKET)
      .map(({ key }) => key)
      .filter((key) => key.startsWith(prefix));
  const refused = async (args: readonly string[], status: number, ...sentences: string[]) => {
    const outcome = await site.run(['send', ...args]);
    expect(outcome).toEqual({
      status,
      stdout: '',
      stderr: sentences.map((sentence) => `courier: ${sentence}\n`).join(''),
    });
  };

  it('brings files to a device, waits for them, and says where they are', async () => {
    device = await SiteDevice.start(site, 'device00');
    const large = randomBytes(20_000_000);
    write('large.bin', large);
    const script = write('run it.sh', 'echo\n');
    chmodSync(script, 0o755);
    utimesSync(script, 1_700_000_000, 1_700_000_000.5);
    const { status, stdout, stderr } = await site.run(['send', 'device00', 'large.bin', 'run it.sh', '--wait']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n').sort()).toEqual([
      'large.bin: on device00, archived as device00/archive/large.bin',
      'large.bin: sent, 19.1 MiB to device00/inbox/large.bin',
      'run it.sh: on device00, archived as device00/archive/run it.sh',
      'run it.sh: sent, 5 B to device00/inbox/run it.sh',
    ]);
    expect(device.read('inbox/large.bin').equals(large)).toBe(true);
    const { mode, mtimeMs } = statSync(join(site.dir, 'device00.device/inbox/run it.sh'));
    expect([mode & 0o777, mtimeMs]).toEqual([0o755, 1_700_000_000_500]);
    expect(site.cloud.findObject(BUCKET, 'device00/archive/large.bin')?.checksum).toMatchObject({
      algorithm: 'CRC32',
      type: 'FULL_OBJECT',
    });

    // The same name again: its key in the archive is taken.
    write('large.bin', 'small now');
    const again = await site.run(['send', 'device00', 'large.bin', '--wait', '--json']);
    expect(again.status).toBe(0);
    const [sent, archived] = again.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(sent).toEqual({
      event: 'sent',
      file: 'large.bin',
      key: 'device00/inbox/large.bin',
      sizeBytes: 9,
      id: expect.any(String),
    });
    expect(archived).toEqual({
      ...sent,
      event: 'archived',
      key: expect.stringMatching(/^device00\/archive\/large-\d{8}T\d{6}Z\.bin$/),
    });
    expect(device.read('inbox/large.bin').toString()).toBe('small now');
    expect(device.broken).toEqual([]);
  });

  it('says what is wrong with all of them before it sends the first', async () => {
    write('good.txt', 'good');
    mkdirSync(join(site.dir, 'folder/sub'), { recursive: true });
    write('folder/good.txt', 'the same name');
    write('folder/two\nlines', '');
    write('folder/back\\slash', '');
    await refused(
      [
        'd',
        'good.txt',
        'folder',
        'folder/good.txt',
        'gone.txt',
        'folder/two\nlines',
        'folder/back\\slash',
        'folder/..',
      ],
      1,
      'folder is a folder; name its files, or pack it (tar -czf) and send that',
      'good.txt and folder/good.txt would both be good.txt; rename the one',
      'there is no file gone.txt; see ls',
      `"folder/two\\nlines" would have another name on the device, 'two%0Alines~edc8c1284585'; rename it here`,
      "'folder/back\\slash' would have another name on the device, 'back%5Cslash~1498e0b566ad'; rename it here",
      'folder/.. cannot be a file on a device: it has . or .. for a folder; name it so',
    );
    expect(keys('d/')).toEqual([]);
  });

  it('replaces nothing that has not come down yet, unless it is told to', async () => {
    write('a.txt', 'first');
    expect((await site.run(['send', 'away', 'a.txt'])).status).toBe(0);
    write('a.txt', 'second');
    await refused(
      ['away', 'a.txt'],
      1,
      'a.txt lies in the inbox of away already and has not come down yet; wait for it (courier status there), or give --replace',
    );
    expect(site.cloud.findObject(BUCKET, 'away/inbox/a.txt')?.sizeBytes).toBe(5);
    expect((await site.run(['send', 'away', 'a.txt', '--replace'])).status).toBe(0);
    expect(site.cloud.findObject(BUCKET, 'away/inbox/a.txt')?.sizeBytes).toBe(6);
  });

  it('replaces nothing that comes while it sends, nor where it may not look', async () => {
    write('b.txt', 'mine');
    site.cloud.createBucket(BUCKET, {
      policy: { Statement: [{ Effect: 'Deny', Action: 's3:GetObject', Resource: '*' }] },
    });
    expect((await site.run(['send', 'away', 'b.txt'])).status).toBe(0);
    await refused(
      ['away', 'b.txt'],
      1,
      'b.txt lies in the inbox of away already and has not come down yet; wait for it (courier status there), or give --replace',
    );
  });

  it('takes its own lost success for what it is', async () => {
    write('lost.txt', 'x');
    write('lost.bin', randomBytes(9_000_000));
    site.cloud.faults.add({ kind: 'dropAfter', operation: 'PutObject' });
    site.cloud.faults.add({ kind: 'dropAfter', operation: 'CompleteMultipartUpload' });
    const { status, stderr } = await site.run(['send', 'away', 'lost.txt', 'lost.bin']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(keys('away/inbox/lost')).toEqual(['away/inbox/lost.bin', 'away/inbox/lost.txt']);
  });

  it.each([
    {
      what: 'grows',
      change: (path: string) => appendFileSync(path, 'more'),
      message: 'growing.bin has changed while it was read; nothing of it was sent: do it again when it is finished',
    },
    {
      what: 'vanishes',
      change: (path: string) => rmSync(path),
      message: 'growing.bin has vanished while it was read; nothing of it was sent: do it again when it is there',
    },
  ])('sends nothing of a file that $what meanwhile, and leaves no parts', async ({ change, message }) => {
    write('first.txt', 'whole');
    const path = write('growing.bin', randomBytes(60_000_000));
    // Four parts are under way: their answers are held, and with them the reading of the rest.
    const held = site.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', count: Number.POSITIVE_INFINITY });
    const running = site.run(['send', 'careless', 'first.txt', 'growing.bin', '--replace']);
    await held.waitForHits(4);
    change(path);
    held.remove();
    held.release();
    const { status, stderr } = await running;
    expect({ status, stderr }).toEqual({ status: 1, stderr: `courier: ${message}\n` });
    expect(keys('careless/')).toEqual(['careless/inbox/first.txt']);
    expect(site.cloud.multipartUploads(BUCKET)).toEqual([]);
  });

  it('sends nothing that S3 has not got as it is', async () => {
    write('bent.txt', 'straight');
    site.cloud.faults.add({ kind: 'corrupt', operation: 'PutObject' });
    const { status, stderr } = await site.run(['send', 'careful', 'bent.txt']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^courier: (?:BadDigest|XAmzContentSHA256Mismatch): /);
    expect(keys('careful/')).toEqual([]);
  });

  it('tells what has become of files that did not arrive, and what to look at', async () => {
    for (const name of ['late.txt', 'replaced.txt', 'removed.txt']) write(name, name);
    const names = ['late.txt', 'replaced.txt', 'removed.txt'];
    const running = site.run(['send', 'watched', ...names, '--wait', '--timeout', '5s']);
    await site.cloud.nextRequest(({ operation }) => operation === 'PutObject');
    await site.cloud.nextRequest(
      ({ operation, key }) => operation === 'HeadObject' && key?.endsWith('removed.txt') === true,
    );
    await site.put('watched/inbox/replaced.txt', 'another');
    await site.remove('watched/inbox/removed.txt');
    const { status, stdout, stderr } = await running;
    expect(status).toBe(1);
    expect(stdout.split('\n').slice(3)).toEqual(['replaced.txt: replaced', 'removed.txt: gone', '']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      'courier: replaced.txt was replaced in the inbox of watched by somebody else, before it was in the archive; see who sends files of that name, and send it again',
      'courier: removed.txt has left the inbox of watched and is not in the archive: somebody has removed it, or the device has another inbox.archivePrefix; see courier status on it',
      'courier: late.txt still lies in the inbox of watched after 5s; it comes down when the device looks there next: see courier status on it, whether it is online, has inbox.dir, and may move objects to the archive',
    ]);
  });

  it('ends the waiting, not the file, when it is interrupted', async () => {
    write('i.txt', 'i');
    const { status, stderr } = await site.run(['send', 'away', 'i.txt', '--wait'], {
      interrupt: until('it was looked at', () => site.cloud.findObject(BUCKET, 'away/inbox/i.txt') !== undefined).then(
        () => site.cloud.nextRequest(({ operation }) => operation === 'HeadObject'),
      ),
    });
    expect({ status, stderr }).toEqual({
      status: 130,
      stderr: 'courier: stopped waiting; the files lie in the inbox, and come down by themselves\n',
    });
    expect(keys('away/inbox/i.txt')).toEqual(['away/inbox/i.txt']);
  });

  it('ends when it is interrupted, also where nobody answers', async () => {
    write('h.txt', 'h');
    const held = site.cloud.faults.add({ kind: 'stall', operation: 'HeadObject', count: Number.POSITIVE_INFINITY });
    const { status, stderr } = await site.run(['send', 'away', 'h.txt'], { interrupt: held.waitForHits(1) });
    expect(status).toBe(130);
    expect(stderr).toBe('courier: stopped; what was told as sent comes down by itself, send the rest again\n');
  });

  it('leaves no parts behind when it is interrupted', async () => {
    write('slow.bin', randomBytes(20_000_000));
    const held = site.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', count: Number.POSITIVE_INFINITY });
    const { status, stderr } = await site.run(['send', 'away', 'slow.bin'], { interrupt: held.waitForHits(1) });
    expect({ status, stderr }).toEqual({
      status: 130,
      stderr: 'courier: stopped; what was told as sent comes down by itself, send the rest again\n',
    });
    expect(site.cloud.multipartUploads(BUCKET)).toEqual([]);
    expect(keys('away/inbox/slow.bin')).toEqual([]);
  });
});
