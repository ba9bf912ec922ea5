import { backoffMs, probePauseMs } from '../../src/domain/backoff';
import { type ErrorCode, TransferError } from '../../src/domain/errors';
import { decideInPlace } from '../../src/outbox/decide-in-place';
import { judgeExisting } from '../../src/upload/judge-existing';
import { reconcileParts } from '../../src/upload/reconcile-parts';
import { concludeFailure, TRANSITIONS } from '../../src/upload/transitions';
import { UPLOAD_MIGRATIONS } from '../../src/upload/upload-schema';

const policies = { retry: { baseMs: 1_000, capMs: 60_000 }, account: { baseMs: 1_000, capMs: 900_000 } };
const context = { failures: 0, linkUp: true, accountProbeAtMs: 500_000, nowMs: 100_000, dice: 1 };

describe('concluding a failed attempt', () => {
  it.each<{ code: ErrorCode; more?: Partial<typeof context> | { accountProbeAtMs: undefined }; expected: object }>([
    { code: 'SOURCE_MISSING', expected: { event: 'fail' } },
    { code: 'KEY_TOO_LONG', expected: { event: 'fail' } },
    { code: 'OBJECT_TOO_LARGE', expected: { event: 'fail' } },
    { code: 'TAG_INVALID', expected: { event: 'fail' } },
    { code: 'SOURCE_CHANGED', expected: { event: 'supersede' } },
    { code: 'STOPPING', expected: { event: 'release' } },
    { code: 'S3_UNREACHABLE', more: { linkUp: false }, expected: { event: 'release' } },
    { code: 'S3_UNREACHABLE', expected: { event: 'defer', runAtMs: 101_000, charged: true } },
    { code: 'S3_INTERNAL', expected: { event: 'defer', runAtMs: 101_000, charged: true } },
    { code: 'UNEXPECTED', more: { failures: 50 }, expected: { event: 'defer', runAtMs: 160_000, charged: true } },
    { code: 'MULTIPART_GONE', expected: { event: 'restart', runAtMs: 101_000, charged: true } },
    { code: 'ACCESS_DENIED', expected: { event: 'defer', runAtMs: 500_001, charged: false } },
    {
      code: 'CREDENTIALS_REFUSED',
      more: { linkUp: false },
      expected: { event: 'defer', runAtMs: 500_001, charged: false },
    },
    {
      code: 'ACCESS_DENIED',
      more: { accountProbeAtMs: undefined },
      expected: { event: 'defer', runAtMs: 101_000, charged: true },
    },
  ])('$code $more: $expected', ({ code, more, expected }) => {
    expect(concludeFailure(new TransferError(code, ''), policies, { ...context, ...more })).toEqual(expected);
  });

  it('pauses with full jitter, doubling up to the cap', () => {
    expect([0, 1, 2, 10, 1_000].map((failures) => backoffMs(failures, policies.retry, 1))).toEqual([
      1_000, 2_000, 4_000, 60_000, 60_000,
    ]);
    expect(backoffMs(5, policies.retry, 0)).toBe(0);
    expect(probePauseMs(0, policies.retry, 0)).toBe(500);
  });
});

it('the words of the life cycle are those of the table', () => {
  const words = /state IN \(([^)]*)\)/
    .exec(UPLOAD_MIGRATIONS.join(''))![1]!
    .split(',')
    .map((word) => word.trim().replaceAll("'", ''));
  expect(words.sort()).toEqual(Object.keys(TRANSITIONS).sort());
  for (const events of Object.values(TRANSITIONS)) for (const to of Object.values(events)) expect(words).toContain(to);
});

describe('a key that is taken', () => {
  const mine = { uploadId: 'led-1', sizeBytes: 5, crc32: 7 };
  const seen = { size: 5, etag: 'e', crc32: 7, metadataCrc32: undefined, uploadId: 'led-1' };
  it.each([
    { seen, unknown: false, verdict: 'ours' },
    { seen: { ...seen, crc32: undefined }, unknown: false, verdict: 'ours' },
    { seen: { ...seen, crc32: 8 }, unknown: true, verdict: 'foreign' },
    { seen: { ...seen, metadataCrc32: 8 }, unknown: true, verdict: 'foreign' },
    { seen: { ...seen, size: 6 }, unknown: true, verdict: 'foreign' },
    { seen: { ...seen, uploadId: 'led-2' }, unknown: true, verdict: 'foreign' },
    { seen: { ...seen, uploadId: undefined }, unknown: true, verdict: 'foreign' },
    { seen: undefined, unknown: true, verdict: 'gone' },
    { seen: 'denied', unknown: true, verdict: 'assumed-ours' },
    { seen: 'denied', unknown: false, verdict: 'foreign' },
  ] as const)('$seen, earlier outcome unknown $unknown: $verdict', ({ seen, unknown, verdict }) => {
    expect(judgeExisting(seen, mine, unknown)).toBe(verdict);
  });
});

describe("our record of parts against S3's", () => {
  const part = { number: 1, offset: 0, sizeBytes: 5, etag: '"a"', crc32: 7 };
  it.each([
    { listed: { number: 1, size: 5, etag: '"a"', crc32: 7 }, held: 1 },
    { listed: { number: 1, size: 5, etag: '"b"', crc32: 7 }, held: 1 },
    { listed: { number: 1, size: 5, etag: '"a"', crc32: undefined }, held: 1 },
    { listed: { number: 1, size: 5, etag: '"b"', crc32: undefined }, held: 0 },
    { listed: { number: 1, size: 5, etag: '"a"', crc32: 8 }, held: 0 },
    { listed: { number: 1, size: 4, etag: '"a"', crc32: 7 }, held: 0 },
    { listed: { number: 2, size: 5, etag: '"a"', crc32: 7 }, held: 0 },
  ])('$listed: $held held', ({ listed, held }) => {
    const result = reconcileParts([part], [listed]);
    expect(result.held).toHaveLength(held);
    expect(result.lost).toEqual(held === 1 ? [] : [1]);
  });
});

describe('a file found in the outbox', () => {
  const known = { content: '5:1', place: '1:2:3' };
  const row1 = {
    id: 1,
    path: Buffer.from('a'),
    batch: undefined,
    sizeBytes: 5,
    fingerprint: known,
    errorCode: undefined,
  };
  const other = { content: '6:2', place: '1:2:3' };
  it.each([
    { row: undefined, found: known, decision: 'take' },
    { row: 'queued', found: known, decision: 'leave' },
    { row: 'queued', found: other, decision: 'take' },
    { row: 'uploading', found: other, decision: 'leave' },
    { row: 'done', found: known, decision: 'leave' },
    { row: 'done', found: { content: '5:1', place: '1:2:4' }, decision: 'leave' },
    { row: 'done', found: { content: '5:1', place: '9:2:3' }, decision: 'take' },
    { row: 'done', found: other, decision: 'take' },
    { row: 'failed', found: known, decision: 'leave' },
    { row: 'failed', found: other, decision: 'take' },
    { row: 'superseded', found: known, decision: 'take' },
    { row: 'superseded', found: other, decision: 'take' },
  ] as const)('with a row $row: $decision', ({ row, found, decision }) => {
    expect(decideInPlace(row === undefined ? undefined : { ...row1, state: row }, found)).toBe(decision);
  });

  it('that had vanished, and is back as it was: take', () => {
    const failed = { ...row1, state: 'failed', errorCode: 'SOURCE_MISSING' } as const;
    expect(decideInPlace(failed, known)).toBe('take');
  });
});
