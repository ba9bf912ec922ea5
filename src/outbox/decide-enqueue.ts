import { compareFingerprints, type Fingerprint } from '../domain/fingerprint';

/** The latest upload known for a path. */
export interface KnownUpload {
  readonly id: number;
  readonly state: 'queued' | 'uploading' | 'failed' | 'superseded' | 'done';
  readonly fingerprint: Fingerprint;
  /** Why it failed, where it did. */
  readonly errorCode: string | undefined;
}

/**
 * What a file that lies in the outbox asks for:
 * - `leave`: this version is queued, under way, delivered, or failed for good
 * - `enqueue`: a version nobody has yet
 * - `settle`: the same, of a file that was seen in another version before: it may be in the middle of being written,
 *   and is enqueued when the next look finds it unchanged
 */
export function decideEnqueue(known: KnownUpload | undefined, found: Fingerprint): 'leave' | 'enqueue' | 'settle' {
  if (known === undefined) return 'enqueue';
  // Under way, its worker notices the change by itself; the next look then finds it superseded, or done.
  if (known.state === 'uploading') return 'leave';
  if (compareFingerprints(known.fingerprint, found) === 'changed') return 'settle';
  // Its disk may have been away for a moment: here it is again.
  const back = known.state === 'failed' && known.errorCode === 'SOURCE_MISSING';
  return known.state === 'superseded' || back ? 'enqueue' : 'leave';
}
