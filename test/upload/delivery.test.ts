import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Courier } from '../support/courier';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('files in the outbox', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('arrive byte for byte, whatever their size and name', async () => {
    courier = await Courier.create({
      config: { upload: { singlePutMaxBytes: 6 * MIB, partSizeBytes: 5 * MIB, uploadMemoryBytes: 16 * MIB } },
    });
    const files = new Map<string, Buffer>();
    for (const [path, size] of [
      ['zero', 0],
      ['one', 1],
      ['5mib-1', 5 * MIB - 1],
      ['6mib', 6 * MIB],
      ['6mib+1', 6 * MIB + 1],
      ['deep/er/still/12mib.bin', 12 * MIB + 7],
      ["spaces and + % & # ? = ' ( ) * ! ~ @ : , ; $.txt", 10],
      ['ünïcödé/日本語/🚚.csv', 10],
      ['100%41.txt', 3],
    ] as const) {
      const content = randomBytes(size);
      files.set(path, content);
      courier.drop(path, content);
    }
    await courier.start();
    await courier.delivered(files.size);
    for (const [path, content] of files) {
      expect(await courier.cloud.sha256(Courier.bucket, `device00/outbox/${path}`)).toBe(sha256(content));
    }
    expect(courier.keys()).toHaveLength(files.size);
  });

  it('with names that are not UTF-8 arrive under %XX', async () => {
    courier = await Courier.create();
    writeFileSync(
      Buffer.concat([Buffer.from(`${courier.outbox}/`), Buffer.from([0x83, 0x65, 0x0a, 0x41])]),
      'shift-jis',
    );
    await courier.start();
    await courier.delivered(1);
    expect(courier.keys()).toEqual(['device00/outbox/%83e%0AA']);
  });

  it('whose names would be one in S3 do not overwrite each other: one waits, and it is said', async () => {
    courier = await Courier.create();
    courier.drop('a%0Ab', 'plain');
    courier.drop('c.txt', 'other');
    await courier.start();
    await courier.delivered(2);
    writeFileSync(`${courier.outbox}/a\nb`, 'odd');
    await courier.logged('look at the outbox');
    expect(courier.component.status().outboxes[0]!.problems).toEqual([
      expect.stringMatching(/^a%0Ab: two files .* rename one$/),
    ]);
    expect((await courier.content('device00/outbox/a%0Ab')).toString()).toBe('plain');
    renameSync(`${courier.outbox}/a\nb`, `${courier.outbox}/d\ne`);
    await courier.delivered(3);
    expect((await courier.content('device00/outbox/d%0Ae')).toString()).toBe('odd');
  });

  it('that appear, change, or vanish while it runs are followed', async () => {
    courier = await Courier.create();
    await courier.start();
    const file = courier.drop('a.txt', 'first');
    await courier.delivered(1);
    writeFileSync(`${courier.dir}/new`, 'second');
    renameSync(`${courier.dir}/new`, file);
    await courier.delivered(2);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('second');
  });

  it('are not sent again after a restart, and only once while they stay', async () => {
    courier = await Courier.create();
    courier.drop('a.txt', 'same');
    await courier.start();
    await courier.delivered(1);
    const seen = courier.component.status().outboxes[0]!.lastScanAtMs!;
    await until('another look', () => courier.component.status().outboxes[0]!.lastScanAtMs! > seen);
    await courier.stop();
    await courier.start();
    await until('a look', () => courier.component.status().outboxes[0]!.lastScanAtMs !== undefined);
    await courier.delivered(1);
    expect(courier.cloud.counters.PutObject).toBe(1);
  });

  it('of other kinds are left alone', async () => {
    courier = await Courier.create();
    courier.drop('real.txt', 'x');
    symlinkSync('/etc/hostname', `${courier.outbox}/link`);
    symlinkSync('/etc', `${courier.outbox}/folder-link`);
    await courier.start();
    await courier.delivered(1);
    expect(courier.keys()).toEqual(['device00/outbox/real.txt']);
  });

  it('keep their type, mtime, path and checksum beside them', async () => {
    courier = await Courier.create({ config: { s3: { storageClass: 'STANDARD_IA' } } });
    courier.drop('data/table.csv', 'a,b');
    await courier.start();
    await courier.delivered(1);
    const [object] = courier.cloud.objects(Courier.bucket);
    expect(object).toMatchObject({
      storageClass: 'STANDARD_IA',
      headers: {
        'content-type': 'text/csv',
        'x-amz-meta-courier-path': 'data/table.csv',
        'x-amz-meta-courier-id': expect.stringMatching(/^[0-9a-f]{12}-1$/) as string,
        'x-amz-meta-courier-crc32': expect.stringMatching(/^.{8}$/) as string,
      },
    });
    expect(Number(object!.headers['x-amz-meta-mtime'])).toBeCloseTo(Date.now() / 1000, -2);
  });

  it('changed while queued are superseded by their new version', async () => {
    courier = await Courier.create();
    await courier.cloud.goOffline();
    const file = courier.drop('a.txt', 'one');
    await courier.start();
    await courier.logged('link is down, waiting');
    writeFileSync(file, 'two, and longer');
    await until('the second version is queued', () => courier.component.status().uploads.superseded === 1);
    await courier.cloud.goOnline();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('two, and longer');
  });

  it('changed while they are sent in parts are superseded, and their multipart upload is aborted where we may', async () => {
    courier = await Courier.create({
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] },
      config: { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 } },
    });
    const first = randomBytes(11 * MIB);
    const file = courier.drop('big.bin', first);
    const stalled = courier.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 1 });
    await courier.start();
    await stalled.waitForHits();
    const second = randomBytes(12 * MIB);
    writeFileSync(file, second);
    stalled.release();
    await courier.delivered(1);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(second));
    expect(courier.component.status().uploads.superseded).toBe(1);
    await until('it is aborted', () => courier.cloud.multipartUploads(Courier.bucket).length === 0);
  });

  it('whose rights change while they are sent go on', async () => {
    courier = await Courier.create({
      config: { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 } },
    });
    const content = randomBytes(12 * MIB);
    const file = courier.drop('big.bin', content);
    const dropped = courier.cloud.faults.add({ kind: 'drop', operation: 'UploadPart', skip: 1 });
    await courier.start();
    await dropped.waitForHits();
    chmodSync(file, 0o600);
    await courier.delivered(1);
    expect(courier.cloud.counters.CreateMultipartUpload).toBe(1);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(content));
  });

  it('replaced by a copy of equal size and mtime, but other bytes, are sent anew', async () => {
    courier = await Courier.create({
      config: { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 } },
    });
    const file = courier.drop('big.bin', randomBytes(12 * MIB));
    const { utimesSync, statSync } = await import('node:fs');
    utimesSync(file, 1_700_000_000, 1_700_000_000);
    const dropped = courier.cloud.faults.add({ kind: 'drop', operation: 'UploadPart', skip: 1, count: 3 });
    await courier.start();
    await dropped.waitForHits(2);
    await courier.stop();
    const other = randomBytes(12 * MIB);
    writeFileSync(`${courier.dir}/other`, other);
    utimesSync(`${courier.dir}/other`, 1_700_000_000, 1_700_000_000);
    renameSync(`${courier.dir}/other`, file);
    expect(statSync(file).size).toBe(12 * MIB);
    await courier.start();
    await courier.delivered(1);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(other));
  });

  it('that vanish before they are sent are told once and hold nobody up', async () => {
    courier = await Courier.create({ config: { upload: { parallelFiles: 1 } } });
    await courier.cloud.goOffline();
    const file = courier.drop('gone.txt', 'x');
    courier.drop('here.txt', 'y');
    await courier.start();
    await until('both are queued', () => {
      const { queued, uploading } = courier.component.status().uploads;
      return queued + uploading === 2;
    });
    rmSync(file);
    await courier.cloud.goOnline();
    await courier.delivered(1);
    const [line] = await courier.logged('file cannot be delivered');
    expect(line).toMatchObject({ code: 'SOURCE_MISSING', level: 'error' });
    expect(courier.component.status().uploads.failed).toBe(1);
  });

  it('that were away for a moment, with their disk, are sent when they are back', async () => {
    courier = await Courier.create();
    await courier.cloud.goOffline();
    courier.drop('a.txt', 'x');
    await courier.start();
    await until('queued', () => courier.component.status().uploads.queued === 1);
    renameSync(courier.outbox, `${courier.dir}/away`);
    await courier.cloud.goOnline();
    await courier.logged('file cannot be delivered');
    await until('told that the outbox is gone', () =>
      courier.component.status().outboxes[0]!.problems.some((one) => one.includes('mkdir -p')),
    );
    renameSync(`${courier.dir}/away`, courier.outbox);
    await courier.delivered(1);
  });

  it('being written are not sent at each look', async () => {
    courier = await Courier.create();
    courier.sections.outboxes = [{ path: courier.outbox, rescanSeconds: 0.1, settleSeconds: 0.5, claim: 'leave' }];
    const file = courier.drop('log.txt', 'line\n');
    await courier.start();
    await courier.delivered(1);
    let looks = 0;
    for (let last = 0; looks < 10; ) {
      appendFileSync(file, 'line\n');
      await until('another look', () => courier.component.status().outboxes[0]!.lastScanAtMs! > last);
      last = courier.component.status().outboxes[0]!.lastScanAtMs!;
      looks += 1;
    }
    const before = courier.cloud.counters.PutObject!;
    expect(before).toBeLessThanOrEqual(3);
    await courier.delivered(before + 1);
    expect((await courier.content('device00/outbox/log.txt')).toString()).toBe('line\n'.repeat(11));
  });

  it('of an outbox that is no longer configured hold up no key', async () => {
    courier = await Courier.create();
    await courier.cloud.goOffline();
    courier.drop('a.txt', 'old');
    await courier.start();
    await courier.logged('link is down, waiting');
    await courier.stop();
    await courier.cloud.goOnline();
    const moved = `${courier.dir}/moved`;
    renameSync(courier.outbox, moved);
    courier.sections.outboxes = [{ path: moved, rescanSeconds: 0.1, settleSeconds: 0, claim: 'leave' }];
    await courier.start();
    await courier.delivered(1);
    await courier.logged('files of an outbox that is no longer configured are not sent; add it again to send them');
  });
});
