import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Spool } from '../../src/custody/spool';
import { Resettling } from '../../src/outbox/resettling';
import { OutboxRules } from '../../src/outbox/rules';
import type { KnownUpload, QueuedFile, UploadQueue } from '../../src/outbox/upload-queue';
import { outboxConfig } from '../support/outbox-config';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

describe('claimed files that did not rest', () => {
  let dir: string;
  let spool: Spool;
  let resettling: Resettling;
  let queued: QueuedFile[];
  let latest: KnownUpload | undefined;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'resettling-'));
    mkdirSync(join(dir, 'outbox'));
    spool = Spool.locate(join(dir, 'outbox'), join(dir, 'spool'), true)!;
    spool.createBatch(3).close();
    queued = [];
    latest = undefined;
    const queue: UploadQueue = {
      find: () => undefined,
      findLatest: () => latest,
      findInBatch: () => undefined,
      findBeforeBatch: () => undefined,
      lastBatch: () => 3,
      enqueue: async (files) => void queued.push(...files),
    };
    const rules = new OutboxRules(outboxConfig({ settleSeconds: 0.05 }), 0);
    resettling = new Resettling(
      () => spool,
      rules,
      queue,
      60_000,
      () => undefined,
      systemClock,
      silentLog,
    ).start();
  });
  afterEach(async () => {
    await resettling.stop();
    rmSync(dir, { recursive: true, force: true });
    await resettling.finished;
  });

  function put(path: string): Buffer {
    const file = spool.filePath(3, Buffer.from(path)).toString();
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, path);
    return Buffer.from(path);
  }
  const names = (): string[] => queued.map(({ path }) => path.toString()).sort();

  it('are queued when they rest', async () => {
    resettling.add(3, put('deep/a'));
    await until('queued', () => queued.length === 1);
    expect(queued[0]).toMatchObject({ batch: 3, sizeBytes: 6 });
    expect(queued[0]!.isLate()).toBe(false);
    expect(resettling.count).toBe(0);
  });

  it.each([
    [2, false],
    [3, false],
    [4, true],
    [undefined, true],
  ])('are late when a version of batch %s is known', async (batch, isLate) => {
    const path = put('a');
    latest = {
      id: 1,
      path,
      batch,
      state: 'done',
      sizeBytes: 1,
      fingerprint: { content: '', place: '' },
      errorCode: undefined,
    };
    resettling.add(3, path);
    await until('queued', () => queued.length === 1);
    expect(queued[0]!.isLate()).toBe(isLate);
  });

  it('are late also when the newer version comes into the ledger in the same moment', async () => {
    const path = put('a');
    resettling.add(3, path);
    await until('handed over', () => queued.length === 1);
    latest = {
      id: 1,
      path,
      batch: 4,
      state: 'queued',
      sizeBytes: 1,
      fingerprint: { content: '', place: '' },
      errorCode: undefined,
    };
    expect(queued[0]!.isLate()).toBe(true);
  });

  it('and cannot be looked at, or are gone, hold nobody up', async () => {
    put('a');
    resettling.add(3, Buffer.from('a/below a file'));
    resettling.add(3, Buffer.from('gone'));
    resettling.add(3, Buffer.from('x'.repeat(300)));
    resettling.add(3, put('ok'));
    await until('queued', () => queued.length === 1);
    expect(names()).toEqual(['ok']);
  });

  it('are those of a folder that was moved in place of a file', async () => {
    put('folder/one');
    put('folder/deep/two');
    resettling.add(3, Buffer.from('folder'));
    await until('queued', () => queued.length === 2);
    expect(names()).toEqual(['folder/deep/two', 'folder/one']);
    expect(existsSync(spool.batchPath(3))).toBe(true);
  });
});
