import type { FaultAim } from '../fault-plan';
import type { JobsErrorCode } from './jobs-error';

/**
 * What goes wrong with requests of devices, `operation` and `key` (the job id) saying with which:
 * - drop: never heard, never answered
 * - dropAfter: done, and the answer is lost
 * - stall: done, and the answer waits until `release()`
 * - repeat: done, and the answer comes twice
 * - error: rejected with `code`; nothing is done
 */
export interface JobsFault extends FaultAim {
  kind: 'drop' | 'dropAfter' | 'stall' | 'repeat' | 'error';
  /** only for error */
  code?: JobsErrorCode;
  message?: string;
}
