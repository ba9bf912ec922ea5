import fc from 'fast-check';
import { compareFingerprints } from '../../src/domain/fingerprint';
import { printableName } from '../../src/domain/printable-name';

describe('a name on disk', () => {
  it.each([
    ['plain.txt', Buffer.from('plain.txt')],
    ['ünï/日本.txt', Buffer.from('ünï/日本.txt')],
    ['a%0Ab%7F', Buffer.from('a\nb\x7f')],
    ['%83e%83X%83g', Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67])],
    ['é%FFé', Buffer.concat([Buffer.from('é'), Buffer.from([0xff]), Buffer.from('é')])],
    ['100%', Buffer.from('100%')],
  ])('is shown as %s', (text, bytes) => {
    expect(printableName(bytes)).toBe(text);
  });

  it('is always printable UTF-8, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = printableName(Buffer.from(bytes));
        expect(Buffer.from(text).toString('utf8')).toBe(text);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
        expect(text).not.toMatch(/[\u0000-\u001f\u007f]/);
      }),
    );
  });
});

describe('two fingerprints', () => {
  const known = { content: '10:1000', place: '1:2:3' };
  it.each([
    [known, 'same'],
    [{ content: '10:1000', place: '9:2:3' }, 'moved'],
    [{ content: '10:1001', place: '1:2:3' }, 'changed'],
    [{ content: '11:1000', place: '1:2:3' }, 'changed'],
  ] as const)('%j is %s', (now, verdict) => {
    expect(compareFingerprints(known, now)).toBe(verdict);
  });
});
