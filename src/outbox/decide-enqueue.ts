import { compareFingerprints, type Fingerprint } from '../domain/fingerprint';

/** The latest upload known for a path. */
export interface KnownUpload {
  readonly id: number;
  readonly state: 'queued' | 'uploading' | 'failed' | 'superseded' | 'done';
  readonly fingerprint: Fingerprint;
}

/**
 * What a file that lies in the outbox asks for:
 * - `leave`: this version is queued, under way, delivered, or failed for good
 * - `enqueue`: a version nobody has yet
 * - `replace`: the same, and the queued one before it no longer exists on disk
 */
export function decideEnqueue(known: KnownUpload | undefined, found: Fingerprint): 'leave' | 'enqueue' | 'replace' {
  if (known === undefined || known.state === 'superseded') return 'enqueue';
  // Under way, its worker notices the change by itself; the next look then finds it superseded, or done.
  if (known.state === 'uploading') return 'leave';
  if (compareFingerprints(known.fingerprint, found) !== 'changed') return 'leave';
  return known.state === 'queued' ? 'replace' : 'enqueue';
}
