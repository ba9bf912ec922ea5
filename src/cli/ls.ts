import type { UploadSummary } from '../control/protocol';
import { formatBytes } from '../domain/format-bytes';
import { formatTable } from './format';

/** Uploads, newest first, a line each. */
export function presentList(uploads: readonly UploadSummary[]): string {
  if (uploads.length === 0) return 'nothing here';
  return formatTable([
    ['ID', 'STATE', 'SIZE', 'PATH', 'KEY', ''],
    ...uploads.map(({ id, state, outcome, sizeBytes, path, key, message }) => [
      String(id),
      outcome === 'skipped' ? 'skipped' : state,
      formatBytes(sizeBytes),
      path,
      key,
      message ?? '',
    ]),
  ]);
}
