import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Put } from './cloud-copy';
import { type Evidence, judge } from './judge';
import type { Row } from './ledger-rows';
import type { Said } from './producer-log';
import { contentOf, Versions } from './versions';

const PREFIX = 'd/';
const BYTES = 100;

const content = (id: number, bytes = BYTES) => contentOf(id, bytes);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A version of `a`, all of whose bytes were written at once. */
const version = (id: number, isSynced = true): Said[] => [
  { say: 'begin', id, name: 'a', seed: id, bytes: BYTES },
  { say: 'written', id, bytes: BYTES, sha256: sha256(content(id)), mtimeNs: String(id), atMs: 1_000 },
  { say: 'placing', id },
  { say: 'placed', id, atMs: 1_000 },
  ...(isSynced ? [{ say: 'durable' as const, id, bytes: BYTES }] : []),
];

const put = (bytes: Buffer): Put => ({ key: 'd/a', name: 'a', sizeBytes: bytes.length, crc32: crc32(bytes) });

const row = (id: number, values: Partial<Row> = {}): Row => ({
  id,
  name: 'a',
  batch: 1,
  state: 'queued',
  sizeBytes: BYTES,
  content: `${BYTES}:${id}`,
  note: undefined,
  ...values,
});

const verdict = (said: Said[], arrived: Buffer[], more: Partial<Evidence> = {}) => {
  const last = arrived.at(-1);
  const object = last && { sizeBytes: last.length, sha256: sha256(last) };
  return judge({
    atMs: 2_000,
    versions: new Versions(said),
    left: [],
    rowsBefore: [],
    rowsAfter: [],
    putsBefore: [],
    putsAfter: arrived.map(put),
    objects: new Map(object === undefined ? [] : [['d/a', object]]),
    prefix: PREFIX,
    ...more,
  });
};

const kindsOf = ({ problems }: { problems: readonly string[] }) => problems.map((problem) => problem.split(/[:,]/)[0]);

test('what was synced and arrived is well', () => {
  expect(verdict([...version(1), ...version(2)], [content(1), content(2)])).toMatchObject({
    problems: [],
    due: 2,
    open: 2,
  });
});

test('what was synced and did not arrive is lost', () => {
  expect(kindsOf(verdict(version(1), []))).toEqual(['lost', 'not in S3']);
});

test('what nobody promised may be lost, until it is old', () => {
  expect(kindsOf(verdict(version(1, false), []))).toEqual([]);
  expect(kindsOf(verdict(version(1, false), [], { atMs: 31_500 }))).toEqual(['lost', 'not in S3']);
});

test('a version that its producer replaced need not arrive', () => {
  expect(kindsOf(verdict([...version(1), ...version(2, false)], [content(2)]))).toEqual([]);
});

test('an older version must not come over a newer one, nor less of a version over more of it', () => {
  const said = [...version(1), ...version(2)];
  expect(kindsOf(verdict(said, [content(2), content(1)]))).toContain('older over newer');
  expect(kindsOf(verdict(said, [content(1)], { putsBefore: [put(content(2))] }))).toContain('older over newer');
  expect(kindsOf(verdict(version(1), [content(1), content(1, 50)]))).toContain('shorter over longer');
});

test('what has a row must arrive whole, synced by its producer or not', () => {
  const short = [content(1, 50)];
  expect(kindsOf(verdict(version(1, false), short))).toEqual([]);
  expect(kindsOf(verdict(version(1, false), short, { rowsBefore: [row(1)] }))).toEqual(['claimed and lost']);
});

test('an empty file has to be told of', () => {
  const empty = [Buffer.alloc(0)];
  const rowsAfter = [row(1, { sizeBytes: 0, state: 'done', note: 'is empty' })];
  expect(kindsOf(verdict(version(1, false), empty))).toEqual(['empty']);
  expect(verdict(version(1, false), empty, { rowsAfter })).toMatchObject({ problems: [], empty: 1 });
});

test('bytes that nobody wrote are seen, but for what the power cut itself tore', () => {
  const torn = Buffer.concat([content(1, 60), Buffer.alloc(40)]);
  const versions = new Versions(version(1, false));
  const left = { name: 'a', place: 'spool' as const, sizeBytes: BYTES, crc32: crc32(torn) };
  expect(kindsOf(verdict(version(1, false), [torn]))).toEqual(['altered']);
  expect(
    kindsOf(verdict(version(1, false), [torn], { left: [{ ...left, content: versions.recognise('a', torn) }] })),
  ).toEqual([]);
});

test('what lay on the disk has to come', () => {
  const versions = new Versions(version(1, false));
  const left = { name: 'a', place: 'outbox' as const, sizeBytes: BYTES, crc32: crc32(content(1)) };
  const found = { ...left, content: versions.recognise('a', content(1)) };
  expect(kindsOf(verdict(version(1, false), [], { left: [found] }))).toEqual(['left behind']);
});
