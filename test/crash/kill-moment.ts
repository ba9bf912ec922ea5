import { watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultKind } from '../local-cloud/fault-plan';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';
import type { SpoolChange, SpoolView } from './spool-view';

/** When a life ends. */
export interface KillMoment {
  readonly name: string;
  /** Before the start. @returns resolves when it is time */
  readonly arm: (cloud: LocalCloud) => () => Promise<void>;
}

const OPERATIONS = [
  'Credentials',
  'PutObject',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
] as const;
/** A life that makes no such progress ends all the same. */
const PATIENCE_MS = 4_000;
/** Longer than a token lives. */
const LONG_LIFE_MS = 2_600;

/** Around the claim and the removal of files, counted from the moment the folder changes. */
const AROUND_SPOOL_MS = 12;
/** Around a landing, likewise. */
const AROUND_LANDING_MS = 12;

/**
 * Drawn anew for each life: some time after the start, after some progress, or in the middle of a request; where files
 * are claimed also in the middle of a claim (folders made, files renamed, synced, rows made) and of the removal.
 */
export function drawKillMoment(
  random: SeededRandom,
  spool?: SpoolView,
  operations: readonly string[] = OPERATIONS,
): KillMoment {
  if (spool !== undefined && random.chance(0.5)) return aroundSpool(random, spool);
  const dice = random.next();
  if (dice < 0.15) return afterStart(random.between(5, 400));
  if (dice < 0.2) return afterStart(random.between(LONG_LIFE_MS / 2, LONG_LIFE_MS));
  const operation = random.pick(operations);
  if (dice < 0.65) return afterProgress(operation, random.between(1, 12), random.between(0, 40));
  if (operation === 'Credentials') return inRequest('drop', operation, 0, random.between(0, 20));
  const kind = random.pick(['dropAfter', 'stall', 'slowDown', 'internalError'] as const);
  return inRequest(kind, operation, random.between(0, 4), kind === 'stall' ? 0 : random.between(0, 60));
}

/** Some of the first changes in the folder: temporary files made, renamed, synced, noted. */
export function aroundLanding(random: SeededRandom, folder: string): KillMoment {
  let left = random.between(1, 12);
  const thenMs = random.between(0, AROUND_LANDING_MS);
  return {
    name: 'landing',
    arm: () => async () => {
      const watching = new AbortController();
      const changed = new Promise<void>((resolve) => {
        try {
          watch(folder, { signal: watching.signal }, () => {
            if (--left <= 0) resolve();
          }).on('error', () => undefined);
        } catch {
          // it is not there yet
        }
      });
      await Promise.race([changed, delay(PATIENCE_MS)]);
      watching.abort();
      if (thenMs > 0) await delay(thenMs);
    },
  };
}

function afterStart(ms: number): KillMoment {
  return { name: 'time', arm: () => () => delay(ms) };
}

function afterProgress(operation: string, count: number, thenMs: number): KillMoment {
  return {
    name: operation,
    arm: (cloud) => {
      let left = count;
      const enough = cloud.nextRequest((record) => record.operation === operation && --left <= 0);
      return async () => {
        await Promise.race([enough, delay(PATIENCE_MS)]);
        await delay(thenMs);
      };
    },
  };
}

/** Some of the first batches, or of the removals, of this life. */
function aroundSpool(random: SeededRandom, spool: SpoolView): KillMoment {
  const change: SpoolChange = random.chance(0.6) ? 'batch' : 'removal';
  const count = change === 'batch' ? random.between(1, 3) : random.between(1, 20);
  const thenMs = random.chance(0.3) ? 0 : random.between(1, AROUND_SPOOL_MS);
  return {
    name: change,
    arm: () => {
      const enough = spool.changed(change, count);
      return async () => {
        await Promise.race([enough, delay(PATIENCE_MS)]);
        if (thenMs > 0) await delay(thenMs);
      };
    },
  };
}

function inRequest(kind: FaultKind, operation: string, skip: number, thenMs: number): KillMoment {
  return {
    name: `${kind} ${operation}`,
    arm: (cloud) => {
      const fault = cloud.faults.add({ kind, operation, skip, count: 3 });
      return async () => {
        await Promise.race([fault.waitForHits(), delay(PATIENCE_MS)]);
        await delay(thenMs);
      };
    },
  };
}
