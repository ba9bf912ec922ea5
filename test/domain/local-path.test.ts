import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { localPathOf } from '../../src/domain/local-path';

const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '..',
    '.',
    '',
    '...',
    '..\\..',
    'a',
    'b',
    'CON',
    '.courier-7',
    '%00',
    '%2e%2e',
    '\u0000',
    'x'.repeat(300),
    'ü'.repeat(200),
  ),
);
const remote = fc.oneof(
  fc.array(name, { minLength: 1, maxLength: 8 }).map((names) => names.join('/')),
  fc.string({ unit: 'binary' }),
);

describe('from a remote name to the disk', () => {
  it('never leaves the folder, and every name fits', () => {
    fc.assert(
      fc.property(remote, (text) => {
        const found = localPathOf(text);
        if ('refused' in found) return;
        expect(resolve('/in/box', found.path).startsWith('/in/box/')).toBe(true);
        for (const one of found.path.split('/')) {
          expect(Buffer.byteLength(one)).toBeLessThanOrEqual(255);
          expect(['', '.', '..']).not.toContain(one);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
          expect(one).not.toMatch(/[\u0000-\u001f\u007f\\]/);
          expect(one.startsWith('.courier-')).toBe(false);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('gives two remote names two places', () => {
    fc.assert(
      fc.property(remote, remote, (one, other) => {
        const [a, b] = [localPathOf(one), localPathOf(other)];
        if ('refused' in a || 'refused' in b || one === other) return;
        expect(a.path).not.toBe(b.path);
      }),
      { numRuns: 3_000 },
    );
  });

  it('leaves what can be a name alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-zA-Z0-9 _+ü%~-][a-zA-Z0-9 ._+ü%~-]{0,60}$/), { minLength: 1, maxLength: 5 }),
        (names) => {
          const text = names.join('/');
          expect(localPathOf(text)).toEqual({ path: text, isMapped: false });
        },
      ),
    );
  });

  it.each([
    ['../a', 'has . or ..'],
    ['a/../../b', 'has . or ..'],
    ['/etc/passwd', 'begins with a slash'],
    ['a//b', 'empty folder name'],
    ['a/', 'ends with a slash'],
    ['', 'names no file'],
    ['a\0b', 'zero byte'],
    ['\ud800', 'not valid Unicode'],
    [`${'x/'.repeat(2_000)}y`, 'too long'],
  ])('%j is refused: it %s', (text, why) => {
    expect(localPathOf(text)).toEqual({ refused: expect.stringContaining(why) as string });
  });

  it('spells a backslash, a control character and a long name another way, and keeps the extension', () => {
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
    expect(localPathOf('a\\b.txt')).toEqual({ path: `a%5Cb~${digest('a\\b.txt')}.txt`, isMapped: true });
    expect(localPathOf('d/a\nb')).toEqual({ path: `d/a%0Ab~${digest('a\nb')}`, isMapped: true });
    const long = `${'é'.repeat(150)}.csv`;
    expect(localPathOf(long)).toEqual({ path: `${'é'.repeat(100)}~${digest(long)}.csv`, isMapped: true });
  });
});
