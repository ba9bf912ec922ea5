import fc from 'fast-check';
import { type Part, planParts, S3_LIMITS, type SentPart } from '../../src/upload/part-plan';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
const sent = (part: Part): SentPart => ({ ...part, etag: 'e', crc32: 0 });

/** What S3 asks of parts, and we of a plan: no gap, no overlap, in order. */
function assertWhole(fileBytes: number, parts: readonly Part[]): void {
  const ordered = [...parts].sort((a, b) => a.number - b.number);
  const wrong: string[] = [];
  let end = 0;
  for (const [i, { offset, sizeBytes, number }] of ordered.entries()) {
    if (offset !== end) wrong.push(`part ${number} starts at ${offset}, not ${end}`);
    end += sizeBytes;
    if (sizeBytes > S3_LIMITS.maxPartBytes) wrong.push(`part ${number} is too large`);
    if (i < ordered.length - 1 && sizeBytes < S3_LIMITS.minPartBytes) wrong.push(`part ${number} is too small`);
    if (number > S3_LIMITS.maxParts) wrong.push(`part ${number} is one too many`);
  }
  expect({ wrong, end }).toEqual({ wrong: [], end: fileBytes });
  expect(new Set(parts.map(({ number }) => number)).size).toBe(parts.length);
}

describe('a plan of parts', () => {
  it.each([
    { fileBytes: 1, preferred: 8 * MIB, count: 1, first: 1 },
    { fileBytes: 5 * MIB - 1, preferred: 5 * MIB, count: 1, first: 5 * MIB - 1 },
    { fileBytes: 8 * MIB, preferred: 8 * MIB, count: 1, first: 8 * MIB },
    { fileBytes: 8 * MIB + 1, preferred: 8 * MIB, count: 2, first: 8 * MIB },
    { fileBytes: 64 * MIB, preferred: 1 * MIB, count: 13, first: 5 * MIB },
    { fileBytes: 80_000 * MIB, preferred: 8 * MIB, count: 10_000, first: 8 * MIB },
    { fileBytes: 80_000 * MIB + 1, preferred: 8 * MIB, count: 8_889, first: 9 * MIB },
    { fileBytes: 1 * TIB, preferred: 8 * MIB, count: 9_987, first: 105 * MIB },
    { fileBytes: 10_000 * 5 * GIB, preferred: 8 * MIB, count: 10_000, first: 5 * GIB },
  ])('$fileBytes bytes by $preferred: $count parts', ({ fileBytes, preferred, count, first }) => {
    const plan = planParts(fileBytes, preferred, []);
    expect(plan).toHaveLength(count);
    expect(plan[0]).toEqual({ number: 1, offset: 0, sizeBytes: first });
    assertWhole(fileBytes, plan);
  });

  it('is refused beyond 48.8 TiB, with the next step', () => {
    expect(() => planParts(S3_LIMITS.maxObjectBytes + 1, 8 * MIB, [])).toThrow(/48\.8 TiB.*split it/);
  });

  it('goes on behind what was sent, with another part size, and fills the gaps between', () => {
    const before = planParts(100 * MIB, 10 * MIB, []);
    const held = [before[0]!, before[1]!, before[3]!].map(sent);
    const rest = planParts(100 * MIB, 20 * MIB, held);
    expect(rest.map(({ number, offset, sizeBytes }) => [number, offset / MIB, sizeBytes / MIB])).toEqual([
      [3, 20, 10],
      [5, 40, 20],
      [6, 60, 20],
      [7, 80, 20],
    ]);
  });

  it('is whole whatever was sent before, by whatever sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 * MIB }),
        fc.integer({ min: 5, max: 64 }),
        fc.integer({ min: 5, max: 64 }),
        fc.array(fc.boolean(), { minLength: 90, maxLength: 90 }),
        (fileBytes, before, after, kept) => {
          const held = planParts(fileBytes, before * MIB, [])
            .filter((_, i) => kept[i])
            .map(sent);
          assertWhole(fileBytes, [...held, ...planParts(fileBytes, after * MIB, held)]);
        },
      ),
    );
  });
});
