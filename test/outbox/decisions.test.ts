import { decideInPlace } from '../../src/outbox/decide-in-place';
import { decideSpooled } from '../../src/outbox/recover-spool';
import type { KnownUpload } from '../../src/outbox/upload-queue';

const STATES: readonly KnownUpload['state'][] = ['queued', 'uploading', 'failed', 'superseded', 'done'];

const row = (state: KnownUpload['state'], options: Partial<KnownUpload> = {}): KnownUpload => ({
  id: 1,
  path: Buffer.from('a'),
  batch: undefined,
  state,
  sizeBytes: 1,
  fingerprint: { content: 'v1', place: '1:2:3' },
  errorCode: undefined,
  ...options,
});

describe('a file in the outbox', () => {
  const same = { content: 'v1', place: '1:2:3' };
  const moved = { content: 'v1', place: '4:2:3' };
  const changed = { content: 'v2', place: '1:2:3' };

  it('that nobody knows is taken', () => {
    expect(decideInPlace(undefined, same)).toBe('take');
  });

  it.each(STATES)('is taken when the version known of it was claimed, whatever became of that: %s', (state) => {
    expect(decideInPlace(row(state, { batch: 3 }), same)).toBe('take');
  });

  it.each([
    ['queued', 'leave', 'leave', 'take'],
    ['uploading', 'leave', 'leave', 'leave'],
    ['done', 'leave', 'take', 'take'],
    ['failed', 'leave', 'leave', 'take'],
    ['superseded', 'take', 'take', 'take'],
  ] as const)('whose row is %s: same %s, touched %s, changed %s', (state, ifSame, ifMoved, ifChanged) => {
    const known = row(state);
    expect([same, moved, changed].map((found) => decideInPlace(known, found))).toEqual([ifSame, ifMoved, ifChanged]);
  });

  it('that was missing and is back is taken', () => {
    expect(decideInPlace(row('failed', { errorCode: 'SOURCE_MISSING' }), same)).toBe('take');
  });
});

describe('a file in the spool, at a start', () => {
  it.each([
    [undefined, 'settle', 'settle'],
    ['queued', 'leave', 'leave'],
    ['uploading', 'leave', 'leave'],
    ['failed', 'leave', 'leave'],
    ['superseded', 'settle', 'settle'],
    ['done', 'dispose', 'settle'],
  ] as const)('whose row is %s: same content %s, another %s', (state, ifSame, ifChanged) => {
    const known = state && row(state, { batch: 1 });
    expect(decideSpooled(known, true)).toBe(ifSame);
    expect(decideSpooled(known, false)).toBe(ifChanged);
  });

  it('that was missing when it was to be sent, and is back, settles again', () => {
    expect(decideSpooled(row('failed', { batch: 1, errorCode: 'SOURCE_MISSING' }), true)).toBe('settle');
  });
});
