import { compareFingerprints, type Fingerprint, isSameInode } from '../domain/fingerprint';
import type { KnownUpload } from './upload-queue';

/**
 * What a file asks for that lies in the outbox while a row is known for its path:
 * - `leave`: this version is sent from where it lies: queued, under way, delivered, or failed for good
 * - `take`: a version nobody has yet, to be claimed when it has settled
 */
export function decideInPlace(known: KnownUpload | undefined, found: Fingerprint): 'leave' | 'take' {
  // A claimed version has left the outbox: what lies there came after it.
  if (known === undefined || known.batch !== undefined) return 'take';
  // Under way, its worker notices the change by itself; the next look then finds it superseded, or done.
  if (known.state === 'uploading') return 'leave';
  if (compareFingerprints(known.fingerprint, found) === 'changed') return 'take';
  // Touched, or another file with the same size and mtime: whether the content is the same, its sending will tell.
  if (known.state === 'done') return isSameInode(known.fingerprint, found) ? 'leave' : 'take';
  // Its disk may have been away for a moment: here it is again.
  const back = known.state === 'failed' && known.errorCode === 'SOURCE_MISSING';
  return known.state === 'superseded' || back ? 'take' : 'leave';
}
