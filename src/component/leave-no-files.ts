import type { Config } from '../config/schema';
import { holdsFiles } from '../custody/spool';
import { UsageError } from '../domain/errors';

/**
 * Files that wait in the old state folder would not be seen from the new one.
 * @param waiting how many rows wait @throws UsageError
 */
export function refuseToLeaveFiles(from: Config, to: Config, waiting: number): void {
  if (from.state.dir === to.state.dir || (waiting === 0 && !holdsFiles(from.state.dir))) return;
  throw new UsageError(
    `state.dir: ${waiting} files wait in ${from.state.dir}, from ${to.state.dir} they would not be seen; restart the component when they are sent`,
  );
}
