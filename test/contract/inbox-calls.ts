import type { RemoteVersion } from '../../src/download/remote-object';
import type { InboxStore } from '../../src/inbox/inbox-store';
import { NEVER } from './store-run';

export const CALLED_KEY = 'calls/key';

/** Each method of the port, by name, and the version of `CALLED_KEY` it speaks of. */
export const INBOX_CALLS: readonly [string, (store: InboxStore, version: RemoteVersion) => Promise<unknown>][] = [
  ['list', (store) => readAll(store.list('calls/', NEVER))],
  ['find', (store) => store.find(CALLED_KEY, NEVER)],
  ['findOther', (store) => store.findOther(CALLED_KEY, undefined, NEVER)],
  ['file.open', async (store, version) => readAll(await store.file(CALLED_KEY).open(version, 0, NEVER))],
  ['copy', (store, version) => store.copy(CALLED_KEY, version, 'calls/copy', false, NEVER)],
  ['remove', (store, { etag }) => store.remove(CALLED_KEY, etag, NEVER)],
];

export async function readAll<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(page);
  return all;
}
