import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../src/upload/object-store';
import { attributesOf, NEVER, type StoreRun } from './store-run';

const BYTES = Buffer.from('bytes');
const part = { number: 1, offset: 0, sizeBytes: BYTES.length, etag: '"x"', crc32: crc32(BYTES) };
const whole = { sizeBytes: BYTES.length, crc32: crc32(BYTES) };

/** Each method of the port, by name; the upload it speaks of is nobody's. */
export const STORE_CALLS: readonly [string, (s: StoreRun, store: ObjectStore) => Promise<unknown>][] = [
  ['putObject', (s, store) => s.put(store, 'calls/key', BYTES)],
  ['createMultipart', (_, store) => store.createMultipart(attributesOf('calls/key'), NEVER)],
  ['uploadPart', (s, store) => s.sendPart(store, { key: 'calls/key', id: 'nobodys' }, 1, 0, BYTES)],
  ['listParts', (_, store) => store.listParts({ key: 'calls/key', id: 'nobodys' }, NEVER)],
  [
    'completeMultipart',
    (_, store) => store.completeMultipart({ key: 'calls/key', id: 'nobodys' }, [part], whole, false, NEVER),
  ],
  ['abortMultipart', (_, store) => store.abortMultipart({ key: 'calls/key', id: 'nobodys' }, NEVER)],
  ['findObject', (_, store) => store.findObject('calls/key', NEVER)],
];
