import fc from 'fast-check';
import { compareFingerprints } from '../../src/domain/fingerprint';
import { findNamesake, printableName } from '../../src/domain/printable-name';

describe('a name on disk', () => {
  it.each([
    ['plain.txt', Buffer.from('plain.txt')],
    ['ünï/日本.txt', Buffer.from('ünï/日本.txt')],
    ['a%0Ab%7F', Buffer.from('a\nb\x7f')],
    ['%83e%83X%83g', Buffer.from([0x83, 0x65, 0x83, 0x58, 0x83, 0x67])],
    ['é%FFé', Buffer.concat([Buffer.from('é'), Buffer.from([0xff]), Buffer.from('é')])],
    ['100%', Buffer.from('100%')],
    ['100%20off %41', Buffer.from('100%20off %41')],
    ['a%0Ab', Buffer.from('a%0Ab')],
    ['looks encoded %2B%2F%25+%20.txt', Buffer.from('looks encoded %2B%2F%25+%20.txt')],
    ['%250A%0A', Buffer.from('%0A\n')],
    ['caf%E9', Buffer.from([0x63, 0x61, 0x66, 0xe9])],
    ['%25E9%E9%25FF', Buffer.concat([Buffer.from('%E9'), Buffer.from([0xe9]), Buffer.from('%FF')])],
  ])('is shown as %s', (text, bytes) => {
    expect(printableName(bytes)).toBe(text);
  });

  it("is printed like no other name's but its namesake's", () => {
    const byte = fc.constantFrom(0x25, 0x30, 0x32, 0x35, 0x41, 0x45, 0x0a, 0x39, 0xe9, 0xc3, 0xa9);
    const name = fc.array(byte, { maxLength: 8 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(name, name, (a, b) => {
        const isNamesake = findNamesake(a)?.equals(b) ?? false;
        expect(printableName(a) === printableName(b)).toBe(a.equals(b) || isNamesake);
        expect(findNamesake(b)?.equals(a) ?? false).toBe(isNamesake);
      }),
      { numRuns: 20_000 },
    );
  });

  it('finds its namesake, either way', () => {
    expect(findNamesake(Buffer.from('a\nb'))?.toString()).toBe('a%0Ab');
    expect(findNamesake(Buffer.from('a%0Ab'))?.toString()).toBe('a\nb');
    expect(findNamesake(Buffer.from('100%20.txt'))).toBeUndefined();
    expect(findNamesake(Buffer.from('caf%E9'))?.equals(Buffer.from([0x63, 0x61, 0x66, 0xe9]))).toBe(true);
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
