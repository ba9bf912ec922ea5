import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const PARTS = { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, stallSeconds: 20 } };

/** A program that writes what it is told, into a file it holds open. */
class Writer {
  private constructor(private readonly child: ChildProcess) {}

  static async open(file: string): Promise<Writer> {
    const script = `exec 3>>'${file}'; echo ready; while read line; do echo "$line" >&3; echo done; done`;
    const writer = new Writer(spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] }));
    await once(writer.child.stdout!, 'data');
    return writer;
  }

  async write(line: string): Promise<void> {
    this.child.stdin!.write(`${line}\n`);
    await once(this.child.stdout!, 'data');
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.stdin!.end();
    await once(this.child, 'exit');
  }
}

describe('a file that is written', () => {
  let courier: Courier;
  let writer: Writer | undefined;
  afterEach(async () => {
    await writer?.end();
    writer = undefined;
    await courier.end();
  });

  const status = () => courier.component.status();
  const outbox = () => status().outboxes[0]!;
  const content = async (name: string): Promise<string> =>
    (await courier.content(`device00/outbox/${name}`)).toString();
  /** The file as it lies in the spool. */
  const spooled = (): string => filesIn(outbox().spool!)[0]!;
  const gone = (): Promise<void> => until('the spool is empty', () => filesIn(outbox().spool!).length === 0, outbox);

  it('before the claim is not claimed', async () => {
    courier = (await Courier.create()).claims();
    writer = await Writer.open(join(courier.outbox, 'a.log'));
    await courier.start();
    await writer.write('one');
    await until('it is seen to be held', () => outbox().held === 1);
    expect(status().uploads.queued).toBe(0);
    await writer.write('two');
    await writer.end();
    await courier.delivered(1);
    expect(await content('a.log')).toBe('one\ntwo\n');
    await gone();
  });

  it.each([
    ['in one piece', 'PutObject', 100_000],
    ['in parts', 'UploadPart', 6 * MIB],
  ] as const)('while it is sent %s is sent anew, and no version is half of each', async (_, operation, sizeBytes) => {
    courier = (await Courier.create({ config: PARTS })).claims({ openWriterSeconds: 0 });
    const before = randomBytes(sizeBytes);
    const file = courier.drop('a.bin', before);
    writer = await Writer.open(file);
    const stall = courier.cloud.faults.add({ kind: 'stall', operation });
    await courier.start();
    await stall.waitForHits();
    await writer.write('more');
    await writer.end();
    stall.release();
    // In one piece it may have been read whole before: then the first version is delivered too.
    const whole = Buffer.concat([before, Buffer.from('more\n')]);
    await until('the second version is there', async () => {
      const { done, queued, uploading } = status().uploads;
      if (done === 0 || queued + uploading > 0 || outbox().restless > 0) return false;
      const now = await courier.content('device00/outbox/a.bin');
      expect(now.subarray(0, sizeBytes).equals(before)).toBe(true);
      return now.equals(whole);
    });
    await gone();
  });

  it('after it was delivered, before it goes, is a new version', async () => {
    courier = (await Courier.create()).claims({ openWriterSeconds: 0, deleteGraceSeconds: 1 });
    writer = await Writer.open(courier.drop('a.log', 'one\n'));
    await courier.start();
    await courier.delivered(1);
    await writer.write('two');
    await until('it is the new version that is there', async () => status().uploads.done === 2, status);
    expect(await content('a.log')).toBe('one\ntwo\n');
    await writer.write('three');
    await writer.end();
    await courier.delivered(3);
    expect(await content('a.log')).toBe('one\ntwo\nthree\n');
    await gone();
  });

  it('through another name of it is a new version', async () => {
    courier = (await Courier.create()).claims({ deleteGraceSeconds: 2 });
    const elsewhere = join(courier.dir, 'elsewhere');
    writeFileSync(elsewhere, 'one\n');
    linkSync(elsewhere, join(courier.outbox, 'a.log'));
    linkSync(elsewhere, join(courier.outbox, 'b.log'));
    await courier.start();
    await courier.delivered(2);
    appendFileSync(elsewhere, 'two\n');
    await courier.delivered(4);
    expect([await content('a.log'), await content('b.log')]).toEqual(['one\ntwo\n', 'one\ntwo\n']);
    await gone();
    expect(readFileSync(elsewhere, 'utf8')).toBe('one\ntwo\n');
  });

  it.each([
    ['its rights', (file: string) => chmodSync(file, 0o640)],
    [
      'the number of its names',
      (file: string) => {
        linkSync(file, `${file}.link`);
        rmSync(`${file}.link`);
      },
    ],
  ])('is not sent anew when only %s change during a long upload', async (_, touch) => {
    courier = (await Courier.create({ config: PARTS })).claims();
    const bytes = randomBytes(16 * MIB);
    courier.drop('a.bin', bytes);
    const stall = courier.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 1, count: 1 });
    await courier.start();
    await until('a part is sent', () => (status().active[0]?.sentBytes ?? 0) >= 5 * MIB);
    touch(spooled());
    await courier.stop(); // and resumes from its parts
    touch(filesIn(join(courier.dir, 'state/spool')).find((file) => file.endsWith('a.bin'))!);
    stall.release();
    await courier.start();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/a.bin')).equals(bytes)).toBe(true);
    expect(status().uploads).toMatchObject({ done: 1, superseded: 0 });
    expect(courier.cloud.counters.CreateMultipartUpload).toBe(1);
    await gone();
  });

  it('shorter than it was claimed is delivered as it is, and that is said', async () => {
    courier = (await Courier.create()).claims();
    await courier.cloud.goOffline();
    await courier.start();
    courier.drop('a.txt', 'the whole file');
    await until('claimed', () => status().uploads.queued === 1);
    writeFileSync(spooled(), 'the');
    await courier.cloud.goOnline();
    await courier.delivered(1);
    expect(await content('a.txt')).toBe('the');
    expect(courier.logs.filter(({ message }) => message === 'a claimed file became shorter')).toHaveLength(1);
  });
});
