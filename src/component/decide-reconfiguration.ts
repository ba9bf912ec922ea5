import { isDeepStrictEqual } from 'node:util';
import type { Config, OutboxConfig, UploadConfig } from '../config/schema';

/** Read at each use. */
const LIVE_LIMITS: readonly (keyof UploadConfig)[] = [
  'singlePutMaxBytes',
  'partSizeBytes',
  'parallelFiles',
  'parallelParts',
  'retryMaxSeconds',
];
/** What a file is sent as, and where to: rows and uploads under way hang on it. */
const FIXED_OUTBOX: readonly (keyof OutboxConfig)[] = ['path', 'key', 'order'];

/**
 * - `none`: nothing is different
 * - `adjust`: limits, rules and intervals; uploads under way go on
 * - `restart`: everything is stopped in order and built anew, in the same process
 */
export type Reconfiguration = 'none' | 'adjust' | 'restart';

export function decideReconfiguration(from: Config, to: Config): Reconfiguration {
  if (isDeepStrictEqual(from, to)) return 'none';
  return isDeepStrictEqual(fixedPart(from), fixedPart(to)) ? 'adjust' : 'restart';
}

function fixedPart({ outboxes, upload, greengrass: _, ...rest }: Config) {
  return {
    ...rest,
    outboxes: outboxes.map((outbox) => FIXED_OUTBOX.map((name) => outbox[name])),
    upload: Object.fromEntries(
      Object.entries(upload).filter(([name]) => !LIVE_LIMITS.includes(name as keyof UploadConfig)),
    ),
  };
}
