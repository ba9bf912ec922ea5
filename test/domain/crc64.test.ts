import fc from 'fast-check';
import { CRC64_OF_NOTHING, crc64, crc64ToHex, findCrc64 } from '../../src/domain/crc64';

/** Bit by bit, as the definition has it. */
function slowly(bytes: Uint8Array): string {
  let sum = 0xffffffffffffffffn;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) sum = sum & 1n ? (sum >> 1n) ^ 0x9a6c9329ac4bc9b5n : sum >> 1n;
  }
  return (sum ^ 0xffffffffffffffffn).toString(16).padStart(16, '0');
}

describe('CRC-64/NVME', () => {
  it('has its published check value', () => {
    expect(crc64ToHex(crc64(Buffer.from('123456789')))).toBe('ae8b14860a799888');
    expect(crc64ToHex(CRC64_OF_NOTHING)).toBe('0000000000000000');
  });

  it('is what the definition says, in any pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        expect(crc64ToHex(crc64(bytes))).toBe(slowly(bytes));
        expect(crc64ToHex(crc64(bytes.subarray(cut), crc64(bytes.subarray(0, cut))))).toBe(slowly(bytes));
      }),
    );
  });

  it('is read from what S3 writes', () => {
    expect(findCrc64('rosUhgp5mIg=')).toBe('ae8b14860a799888');
    expect(findCrc64('rosUhgp5mIg=-3')).toBeUndefined();
    expect(findCrc64(undefined)).toBeUndefined();
  });
});
