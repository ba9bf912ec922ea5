import fc from 'fast-check';
import { combineCrc32, crc32, crc32ToBase64, findCrc32 } from '../../src/domain/crc32';

describe('CRC32', () => {
  it('of two pieces combines to that of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
      }),
    );
  });

  it('combines lengths beyond 32 bits: the order of joining does not matter', () => {
    const [a, b, c] = [0x12345678, 0x9abcdef0, 0x0badcafe];
    const [lengthB, lengthC] = [5 * 2 ** 30, 7 * 2 ** 33 + 11];
    const leftFirst = combineCrc32(combineCrc32(a, b, lengthB), c, lengthC);
    const rightFirst = combineCrc32(a, combineCrc32(b, c, lengthC), lengthB + lengthC);
    expect(leftFirst).toBe(rightFirst);
  });

  it('is spelled as S3 spells it', () => {
    expect(crc32ToBase64(crc32('hello world'))).toBe('DUoRhQ==');
    expect(findCrc32('DUoRhQ==')).toBe(crc32('hello world'));
  });

  it.each([undefined, '', 'DUoRhQ==-3', 'not base64', 'AAAA'])('%p is none', (text) => {
    expect(findCrc32(text)).toBeUndefined();
  });
});
