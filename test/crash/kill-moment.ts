import { setTimeout as delay } from 'node:timers/promises';
import type { FaultKind } from '../local-cloud/fault-plan';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { SeededRandom } from './seeded-random';

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

/** Drawn anew for each life: some time after the start, after some progress, or in the middle of a request. */
export function drawKillMoment(random: SeededRandom): KillMoment {
  const dice = random.next();
  if (dice < 0.15) return afterStart(random.between(5, 400));
  if (dice < 0.2) return afterStart(random.between(LONG_LIFE_MS / 2, LONG_LIFE_MS));
  const operation = random.pick(OPERATIONS);
  if (dice < 0.65) return afterProgress(operation, random.between(1, 12), random.between(0, 40));
  if (operation === 'Credentials') return inRequest('drop', operation, 0, random.between(0, 20));
  const kind = random.pick(['dropAfter', 'stall', 'slowDown', 'internalError'] as const);
  return inRequest(kind, operation, random.between(0, 4), kind === 'stall' ? 0 : random.between(0, 60));
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
