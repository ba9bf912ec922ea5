import type { ActiveUpload, StatusDocument } from '../../src/control/protocol';
import { fitToWidth } from './fit-to-width';
import { progressLines, progressSentence } from './progress-lines';

const START = { done: 0, doneBytes: 0 };

function statusOf(uploads: Partial<StatusDocument['uploads']>, active: Partial<ActiveUpload>[] = []): StatusDocument {
  return {
    version: '0',
    pid: 1,
    startedAtMs: 0,
    nowMs: 0,
    thing: undefined,
    bucket: undefined,
    uploads: { queued: 0, uploading: 0, done: 0, superseded: 0, failed: 0, queuedBytes: 0, doneBytes: 0, ...uploads },
    active: active.map((upload, id) => ({ id, path: `file ${id}`, key: '', sizeBytes: 0, sentBytes: 0, ...upload })),
    link: { state: 'up' },
    credentials: { source: 'none', expiresInSeconds: undefined, sources: [] },
    missing: [],
    clockOffsetSeconds: 0,
    outboxes: [],
    refusals: [],
    retrying: { files: 0, worst: undefined },
    warnings: [],
  };
}

describe('fitToWidth', () => {
  it.each([
    ['short', 8, 'short   '],
    ['exactly8', 8, 'exactly8'],
    ['folder/name.txt', 9, '…name.txt'],
    ['测量', 5, '测量 '],
    ['测量测量', 5, '…测量'],
    ['测量测量', 4, '…量 '], // half a character cannot be drawn
    ['Cafe\u0301', 6, 'Cafe\u0301  '],
    ['👩‍🔧', 3, '👩‍🔧 '],
    ['any', 1, '…'],
    ['any', 0, ''],
  ])('%s in %i columns', (text, columns, expected) => {
    expect(fitToWidth(text, columns)).toBe(expected);
  });
});

describe('progressLines', () => {
  it('draws nothing when nothing waits', () => {
    expect(progressLines(statusOf({ done: 3, doneBytes: 30 }), START, 80, 10)).toEqual([]);
  });

  it('counts from the baseline, and what is sent of files under way', () => {
    const status = statusOf({ queued: 1, uploading: 1, done: 5, queuedBytes: 100, doneBytes: 150 }, [
      { path: 'a', sizeBytes: 60, sentBytes: 30 },
    ]);
    const lines = progressLines(status, { done: 4, doneBytes: 50 }, 80, 10);
    expect(lines[0]).toMatch(/^1 of 3 files +\[#{8}-{5}\] {2}65 % {2}130 B of 200 B *$/);
    expect(lines[1]).toMatch(/^a +\[#{7}-{6}\] {2}50 % {2}30 B of 60 B *$/);
    expect(progressSentence(status, { done: 4, doneBytes: 50 })).toBe('1 of 3 files, 65 %, 130 B of 200 B');
  });

  it('says 100 % only when it is all, and of an empty file', () => {
    const status = statusOf({ uploading: 2, queuedBytes: 1_000 }, [{ sizeBytes: 1_000, sentBytes: 999 }, {}]);
    expect(progressLines(status, START, 80, 10).map((line) => /\d+ %/.exec(line)?.[0])).toEqual([
      '99 %',
      '99 %',
      '100 %',
    ]);
  });

  it('keeps to the lines there are, the largest files first', () => {
    const active = Array.from({ length: 9 }, (_, i) => ({ sizeBytes: i }));
    const lines = progressLines(statusOf({ uploading: 9, queuedBytes: 36 }, active), START, 80, 5);
    expect(lines).toHaveLength(5);
    expect(lines[1]).toMatch(/^file 8/);
    expect(lines[4]!.trimEnd()).toBe('and 6 more');
  });

  it.each([10, 20, 40, 79, 200])('has no line wider than %i columns', (columns) => {
    const status = statusOf({ uploading: 1, queuedBytes: 2 ** 31 }, [{ path: 'x'.repeat(300), sizeBytes: 2 ** 31 }]);
    for (const line of progressLines(status, START, columns, 10)) expect(line).toHaveLength(columns);
  });
});
