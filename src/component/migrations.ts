import type { Migration } from '../custody/ledger';
import { INBOX_MIGRATION } from '../inbox/inbox-schema';
import { JOBS_MIGRATION } from '../jobs/jobs-schema';
import { PUBLICATION_MIGRATION } from '../messages/publication-table';
import { UPLOAD_MIGRATIONS } from '../upload/upload-schema';

/** All tables of the ledger, in the order in which they came to be: the next step goes to the end, whosever it is. */
export const MIGRATIONS: readonly Migration[] = [
  ...UPLOAD_MIGRATIONS,
  PUBLICATION_MIGRATION,
  INBOX_MIGRATION,
  JOBS_MIGRATION,
];
