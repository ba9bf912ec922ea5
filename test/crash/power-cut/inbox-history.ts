import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a cloud's journal tells of the inbox, from its first object on. */
export interface InboxHistory {
  /** Of each name the ETags of its versions, the newest last. */
  readonly versions: ReadonlyMap<string, readonly string[]>;
  /** Of each name, which of them was deleted last. */
  readonly deleted: ReadonlyMap<string, number>;
  /** ETags of all that the archive has taken. */
  readonly archived: ReadonlySet<string>;
}

export const INBOX = 'device00/inbox/';
const ARCHIVE = 'device00/archive/';

interface Line {
  readonly kind: string;
  readonly key?: string;
  readonly object?: { readonly key: string; readonly etag: string };
}

/** @param lines of the journal */
export function readHistory(lines: readonly string[]): InboxHistory {
  const versions = new Map<string, string[]>();
  const deleted = new Map<string, number>();
  const archived = new Set<string>();
  for (const { kind, key = '', object } of lines.map((line) => JSON.parse(line) as Line)) {
    if (kind === 'delete' && key.startsWith(INBOX)) {
      const name = key.slice(INBOX.length);
      deleted.set(name, versions.get(name)!.length - 1);
    }
    if (kind !== 'object' || object === undefined) continue;
    if (object.key.startsWith(ARCHIVE)) archived.add(object.etag);
    if (!object.key.startsWith(INBOX)) continue;
    const name = object.key.slice(INBOX.length);
    versions.set(name, [...(versions.get(name) ?? []), object.etag]);
  }
  return { versions, deleted, archived };
}

/** @param folder on a disk as a power cut left it @returns what was deleted from the inbox and is not whole there, a line each */
export function findLost({ versions, deleted, archived }: InboxHistory, folder: string): string[] {
  const problems: string[] = [];
  for (const [name, at] of deleted) {
    const of = versions.get(name)!;
    const etag = etagOf(join(folder, name));
    // A newer one may have come over it, and not have been deleted yet.
    if (etag === undefined || of.lastIndexOf(etag) < at)
      problems.push(`deleted from the inbox and lost: ${name}, version ${at}; on disk ${etag ?? 'nothing'}`);
    if (!archived.has(of[at]!)) problems.push(`deleted from the inbox and not archived: ${name}, version ${at}`);
  }
  return problems;
}

/** When all is done. @returns what is not there in its newest version, or should not be there, a line each */
export function findUnfinished({ versions }: InboxHistory, folder: string): string[] {
  const problems: string[] = [];
  for (const [name, of] of versions)
    if (etagOf(join(folder, name)) !== of.at(-1)) problems.push(`not the newest at the end: ${name}`);
  for (const name of readdirSync(folder, { recursive: true }).map(String))
    if (name.includes('.courier-')) problems.push(`left behind: ${name}`);
  return problems;
}

/** Of an object that was put at once. */
function etagOf(file: string): string | undefined {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
  return createHash('md5').update(readFileSync(file)).digest('hex');
}
