/**
 * CRC-64/NVME (reversed polynomial, all ones in and out): the checksum S3 gives an object that came without one. Numbers
 * of JavaScript hold 32 bits well, so a sum is two halves; eight bytes are taken at a time.
 */
export interface Crc64 {
  readonly high: number;
  readonly low: number;
}

export const CRC64_OF_NOTHING: Crc64 = { high: 0, low: 0 };

/** @param sum of what came before */
export function crc64(bytes: Uint8Array, sum: Crc64 = CRC64_OF_NOTHING): Crc64 {
  let high = ~sum.high;
  let low = ~sum.low;
  const words = bytes.length - (bytes.length % 8);
  let at = 0;
  for (; at < words; at += 8) {
    low ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    high ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    const a = 0x700 | (low & 0xff);
    const b = 0x600 | ((low >>> 8) & 0xff);
    const c = 0x500 | ((low >>> 16) & 0xff);
    const d = 0x400 | (low >>> 24);
    const e = 0x300 | (high & 0xff);
    const f = 0x200 | ((high >>> 8) & 0xff);
    const g = 0x100 | ((high >>> 16) & 0xff);
    const h = high >>> 24;
    high = HIGH[a]! ^ HIGH[b]! ^ HIGH[c]! ^ HIGH[d]! ^ HIGH[e]! ^ HIGH[f]! ^ HIGH[g]! ^ HIGH[h]!;
    low = LOW[a]! ^ LOW[b]! ^ LOW[c]! ^ LOW[d]! ^ LOW[e]! ^ LOW[f]! ^ LOW[g]! ^ LOW[h]!;
  }
  for (; at < bytes.length; at++) {
    const entry = (low ^ bytes[at]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[entry]!;
    high = (high >>> 8) ^ HIGH[entry]!;
  }
  return { high: ~high >>> 0, low: ~low >>> 0 };
}

/** Hex, as everybody writes it. */
export const crc64ToHex = ({ high, low }: Crc64): string => `${hex(high)}${hex(low)}`;

/** From S3's spelling: eight bytes, most significant first, in base64. Undefined for anything else. */
export function findCrc64(base64: string | undefined): string | undefined {
  return base64 !== undefined && /^[A-Za-z0-9+/]{11}=$/.test(base64)
    ? Buffer.from(base64, 'base64').toString('hex')
    : undefined;
}

const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
/** Entry k·256 + b: what byte b adds when k more bytes follow it in the word. */
const HIGH = new Int32Array(8 * 256);
const LOW = new Int32Array(8 * 256);

for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n;
  HIGH[byte] = Number(value >> 32n) | 0;
  LOW[byte] = Number(value & 0xffffffffn) | 0;
}
for (let at = 256; at < HIGH.length; at++) {
  const [high, low] = [HIGH[at - 256]!, LOW[at - 256]!];
  HIGH[at] = (high >>> 8) ^ HIGH[low & 0xff]!;
  LOW[at] = ((low >>> 8) | (high << 24)) ^ LOW[low & 0xff]!;
}

const hex = (half: number): string => half.toString(16).padStart(8, '0');
