import type { UploadDetails } from '../control/protocol';
import { formatBytes } from '../domain/format-bytes';

/** All that is known of one upload. */
export function presentDetails(upload: UploadDetails): string {
  const { parts, sizeBytes, code, message, ...facts } = upload;
  const sent = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const lines = Object.entries({ ...facts, size: formatBytes(sizeBytes) }).filter(([, value]) => value !== undefined);
  if (parts.length > 0) lines.push(['parts', `${parts.length} sent, ${formatBytes(sent)}`]);
  if (code !== undefined) lines.push(['error', `${code}: ${message}`]);
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join('\n');
}
