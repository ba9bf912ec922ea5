import { crc32 } from 'node:zlib';

export { crc32 };

/** S3's spelling of a CRC32: the four bytes, most significant first, in base64. */
export function crc32ToBase64(value: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString('base64');
}

/** Undefined for anything but four bytes of base64; a composite checksum (`…-3`) is not one. */
export function findCrc32(base64: string | undefined): number | undefined {
  if (base64 === undefined || !/^[A-Za-z0-9+/]{6}==$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64').readUInt32BE();
}

/** The reversed polynomial of CRC-32 (ISO-HDLC), the one zlib and S3 use. */
const POLYNOMIAL = 0xedb88320;

/**
 * CRC32 of `a` followed by `b`, from the CRC32 of each and the length of `b` in bytes.
 * Appending n zero bits multiplies the CRC by x^n modulo the polynomial; with `b` behind it that is all that happens
 * to `a`'s share, because the CRC is linear.
 */
export function combineCrc32(a: number, b: number, lengthOfB: number): number {
  return (multiplyModulo(a, powerOfX(lengthOfB)) ^ b) >>> 0;
}

/** Polynomials are held bit-reversed: the top bit is x^0. */
function multiplyModulo(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** x^(8·bytes) modulo the polynomial, by squaring; `bytes` may pass 2^32. */
function powerOfX(bytes: number): number {
  let result = 0x80000000;
  let square = 0x00800000; // x^8: one byte
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiplyModulo(result, square);
    square = multiplyModulo(square, square);
  }
  return result;
}
