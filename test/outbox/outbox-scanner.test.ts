import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../src/clock';
import type { Claim, SettledFile } from '../../src/outbox/claimer';
import { Doorbell } from '../../src/outbox/doorbell';
import { OutboxScanner } from '../../src/outbox/outbox-scanner';
import { OutboxRules } from '../../src/outbox/rules';
import { Settling } from '../../src/outbox/settling';
import type { QueuedFile } from '../../src/outbox/upload-queue';
import { outboxConfig } from '../support/outbox-config';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';

/** A batch is of so many folders at most. */
const FOLDERS = 100;
/** Of the event loop: more than a stop takes that waits for nothing. */
const TURNS = 100;

describe('a look that claims', () => {
  let dir: string;
  let scanner: OutboxScanner;
  /** Claims that were asked for; answered by the test. */
  let claims: { readonly files: readonly SettledFile[]; readonly answer: (claim: Claim) => void }[];
  let queued: number[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'scanner-'));
    claims = [];
    queued = [];
    const known = () => undefined;
    scanner = new OutboxScanner({
      path: dir,
      rescanMs: 3_600_000,
      rules: new OutboxRules(outboxConfig({ path: dir, settleSeconds: 0 }), 0),
      settling: new Settling({ maxRemembered: 10 }),
      takeStamp: () => undefined,
      prepare: () => undefined,
      claimer: { claim: (files) => new Promise((answer) => claims.push({ files, answer })) },
      queue: {
        find: known,
        findLatest: known,
        findInBatch: known,
        findBeforeBatch: known,
        lastBatch: () => 0,
        enqueue: async (files: Iterable<QueuedFile>) => void queued.push([...files][0]!.batch!),
      },
      doorbell: new Doorbell(dir, () => false, silentLog),
      onQueued: () => undefined,
      onRestless: () => undefined,
      onDeliveredBefore: () => undefined,
      clock: systemClock,
      log: silentLog,
    });
    for (let i = 0; i < 3 * FOLDERS; i++) {
      mkdirSync(join(dir, `d${i}`));
      writeFileSync(join(dir, `d${i}`, 'file'), '');
    }
  });
  afterEach(async () => {
    for (const [at] of claims.entries()) answer(at);
    await scanner.stop();
    rmSync(dir, { recursive: true });
  });

  const answer = (at: number): void => {
    const { files, answer } = claims[at]!;
    answer({
      claimed: files.map((file) => ({ ...file, batch: at + 1 })),
      restless: [],
      refused: [],
      hiddenProcesses: 0,
    });
  };
  const turns = async (): Promise<void> => {
    for (let i = 0; i < TURNS; i++) await turn();
  };

  it('has one batch on its way beside the one whose rows come next', async () => {
    scanner.start();
    await until('two batches', () => claims.length === 2);
    await turns();
    expect(claims).toHaveLength(2);
    answer(1); // ready first
    await turns();
    expect(queued).toEqual([]);
    answer(0);
    await until('the third', () => claims.length === 3);
    expect(queued).toEqual([1, 2]);
  });

  it('is over, stopped, when the rows of all that was claimed are made', async () => {
    scanner.start();
    await until('two batches', () => claims.length === 2);
    let isOver = false;
    const stopped = scanner.stop().then(() => {
      isOver = true;
    });
    answer(0);
    await turns();
    expect([isOver, queued]).toEqual([false, [1]]);
    answer(1);
    await stopped;
    expect(queued).toEqual([1, 2]);
  });
});
