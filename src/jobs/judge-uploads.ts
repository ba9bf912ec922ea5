import type { TransferError } from '../domain/errors';
import type { OpenUploads } from './job-uploads';

export interface UploadsVerdict {
  readonly files: number;
  /** What keeps one of them, the account's word first: it is about all. */
  readonly problem: TransferError | undefined;
  /** Nothing goes because of it, and not because others are before it in line. */
  readonly isStuck: boolean;
}

/** How the files stand that a job waits for. Pure. */
export function judgeUploads(open: readonly OpenUploads[]): UploadsVerdict {
  const problems = open.flatMap(({ problem }) => problem ?? []);
  const ofAccount = problems.find(({ recovery }) => recovery === 'await-account');
  const isKept = ofAccount !== undefined || (problems.length > 0 && problems.length === open.length);
  return {
    files: open.reduce((sum, { files }) => sum + files, 0),
    problem: ofAccount ?? problems[0],
    isStuck: isKept && open.every(({ state }) => state === 'queued'),
  };
}
