import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Spool } from '../../src/custody/spool';
import { fingerprintOf } from '../../src/domain/fingerprint';
import { OutboxRules } from '../../src/outbox/rules';
import { SentFiles, type SentFilesOptions } from '../../src/outbox/sent-files';
import { SentFolder } from '../../src/outbox/sent-folder';
import type { KnownUpload, UploadQueue } from '../../src/outbox/upload-queue';
import { outboxConfig } from '../support/outbox-config';
import { filesIn } from '../support/outbox-folder';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

describe('a delivered file', () => {
  let dir: string;
  let outbox: string;
  let spool: Spool;
  let sent: SentFiles;
  let rows: Map<number, KnownUpload>;
  let onFind: (id: number) => void;
  let restless: string[];
  let children: ChildProcess[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sent-'));
    outbox = join(dir, 'outbox');
    mkdirSync(outbox);
    spool = Spool.locate(outbox, join(dir, 'spool'), true)!;
    rows = new Map();
    onFind = () => undefined;
    restless = [];
    children = [];
  });
  afterEach(async () => {
    await sent.stop();
    for (const child of children) {
      child.stdin!.end('\n');
      if (child.exitCode === null) await once(child, 'exit');
    }
    rmSync(dir, { recursive: true, force: true });
  });

  /** A row that is done, and its file: in a batch of the spool, or in the outbox. */
  function delivered(path: string, batch: number | undefined, content = path): { id: number; file: string } {
    const file = batch === undefined ? join(outbox, path) : spool.filePath(batch, Buffer.from(path)).toString();
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
    const fingerprint = fingerprintOf(lstatSync(file, { bigint: true }));
    const id = rows.size + 1;
    rows.set(id, {
      id,
      path: Buffer.from(path),
      batch,
      state: 'done',
      sizeBytes: content.length,
      fingerprint,
      errorCode: undefined,
    });
    return { id, file };
  }

  function start(options: Partial<SentFilesOptions> = {}, config: object = {}): SentFiles {
    const queue = {
      find: (id: number) => {
        onFind(id);
        return rows.get(id);
      },
      findBeforeBatch: () => undefined,
    } as Partial<UploadQueue> as UploadQueue;
    sent = new SentFiles({
      outbox,
      spool: () => spool,
      sentFolder: undefined,
      rules: new OutboxRules(outboxConfig(config), 0),
      queue,
      graceMs: 0,
      openWriterMs: 0,
      onRestless: (batch, path) => restless.push(`${batch}/${path}`),
      clock: systemClock,
      log: silentLog,
      ...options,
    }).start();
    return sent;
  }

  const DELETES_IN_PLACE = { claim: 'leave', afterUpload: 'delete' };

  it('goes, and its batch with it', async () => {
    const { id } = delivered('a/b', 1);
    start().add(id);
    await until('the batch is gone', () => !existsSync(spool.batchPath(1)));
  });

  it('that was written since is a new version, and stays', async () => {
    const { id, file } = delivered('a', 1);
    writeFileSync(file, 'written since');
    start().add(id);
    await until('it is told', () => restless.length > 0);
    expect(restless).toEqual(['1/a']);
    expect(existsSync(file)).toBe(true);
  });

  it('that is replaced at the last moment is not the one that goes', async () => {
    const [a, b] = [delivered('a', undefined), delivered('b', undefined)];
    writeFileSync(join(dir, 'new'), 'newer version');
    onFind = (id) => {
      if (id === b.id) renameSync(join(dir, 'new'), a.file); // after the look at a, before its removal
    };
    start({}, DELETES_IN_PLACE);
    sent.add(a.id);
    sent.add(b.id);
    await until('the other is gone', () => !existsSync(b.file));
    expect(readFileSync(a.file, 'utf8')).toBe('newer version');
  });

  it('that a program still writes to stays, however long: what it writes would be lost', async () => {
    const held = delivered('held', 1);
    const other = delivered('other', 1);
    const child = spawn('sh', ['-c', `exec 3>>'${held.file}'; echo ready; read x`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    start({ openWriterMs: 0 });
    sent.add(held.id);
    sent.add(other.id);
    await until('the other is gone', () => !existsSync(other.file));
    expect(existsSync(held.file)).toBe(true);
    expect(sent.count).toBe(1);
  });

  describe('that is kept', () => {
    const KEEPS = { afterUpload: 'keep', sentDir: '/data/sent' };
    const folder = (options: object = {}) =>
      new SentFolder(
        { folder: join(dir, 'kept'), maxAgeDays: undefined, maxBytes: undefined, ...options },
        systemClock,
      );

    it('lies in the folder of sent files', async () => {
      const { id } = delivered('a/b', 1, 'kept');
      start({ sentFolder: folder() }, KEEPS).add(id);
      await until('it is kept', () => existsSync(join(dir, 'kept/0000000001/a/b')));
      expect(spool.batches()).toEqual([]);
    });

    it('does not go over one that was kept before: batch numbers begin anew with a lost ledger', async () => {
      const sentFolder = folder();
      const first = delivered('a', 1, 'first');
      start({ sentFolder }, KEEPS).add(first.id);
      await until('it is kept', () => !existsSync(first.file));
      const second = delivered('a', 1, 'second');
      sent.add(second.id);
      await until('it is kept', () => !existsSync(second.file));
      const kept = filesIn(join(dir, 'kept')).map((file) => readFileSync(file, 'utf8'));
      expect(kept.sort()).toEqual(['first', 'second']);
    });

    it('may be the first: a folder with a limit that is not there yet', async () => {
      const { id, file } = delivered('a', 1);
      start({ sentFolder: folder({ maxAgeDays: 7 }) }, KEEPS).add(id);
      await until('it is kept', () => !existsSync(file) || sent.count === 0);
      await sent.stop();
      await sent.finished;
      expect(filesIn(join(dir, 'kept'))).toHaveLength(1);
    });

    it('goes when there is more than the folder may hold, the oldest batch first', () => {
      sent = start();
      const sentFolder = folder({ maxBytes: 10 });
      for (const batch of [1, 2, 3]) {
        const { file } = delivered('a', batch, '12345');
        sentFolder.take(batch, Buffer.from('a'), Buffer.from(file));
      }
      sentFolder.prune();
      expect(filesIn(join(dir, 'kept')).map((file) => file.slice(-12))).toEqual(['0000000002/a', '0000000003/a']);
    });
  });
});
