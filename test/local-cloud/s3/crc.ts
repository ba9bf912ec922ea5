import { crc32 } from 'node:zlib';

/** Reflected CRCs with all ones before and after: the only kind S3 knows. */
export interface CrcShape {
  bits: 32 | 64;
  /** reflected polynomial */
  polynomial: bigint;
}

export const CRC32: CrcShape = { bits: 32, polynomial: 0xedb88320n };
export const CRC32C: CrcShape = { bits: 32, polynomial: 0x82f63b78n };
export const CRC64NVME: CrcShape = { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n };

export interface RunningCrc {
  update(bytes: Buffer): void;
  digest(): Buffer;
}

export function startCrc(shape: CrcShape): RunningCrc {
  if (shape === CRC32) return new ZlibCrc32();
  return shape.bits === 32 ? new Sliced32(shape) : new Sliced64(shape);
}

class ZlibCrc32 implements RunningCrc {
  private value = 0;

  update(bytes: Buffer): void {
    this.value = crc32(bytes, this.value);
  }

  digest(): Buffer {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(this.value);
    return out;
  }
}

interface Tables {
  low: Uint32Array;
  high: Uint32Array;
}

const tablesOf = new Map<CrcShape, Tables>();

/** Eight tables of 256 (slicing by eight); `high` stays zero for 32 bits. */
function getTables(shape: CrcShape): Tables {
  const known = tablesOf.get(shape);
  if (known !== undefined) return known;
  const wide: bigint[] = [];
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ shape.polynomial : value >> 1n;
    wide.push(value);
  }
  for (let at = 256; at < 2048; at++) {
    const before = wide[at - 256]!;
    wide.push((before >> 8n) ^ wide[Number(before & 0xffn)]!);
  }
  const tables = {
    low: Uint32Array.from(wide, (value) => Number(value & 0xffffffffn)),
    high: Uint32Array.from(wide, (value) => Number(value >> 32n)),
  };
  tablesOf.set(shape, tables);
  return tables;
}

class Sliced32 implements RunningCrc {
  private value = -1;
  private readonly table: Uint32Array;

  constructor(shape: CrcShape) {
    this.table = getTables(shape).low;
  }

  update(bytes: Buffer): void {
    const t = this.table;
    let crc = this.value;
    let at = 0;
    for (const end = bytes.length - 7; at < end; at += 8) {
      const first = crc ^ bytes.readInt32LE(at);
      crc =
        t[1792 + (first & 255)]! ^
        t[1536 + ((first >>> 8) & 255)]! ^
        t[1280 + ((first >>> 16) & 255)]! ^
        t[1024 + (first >>> 24)]! ^
        t[768 + bytes[at + 4]!]! ^
        t[512 + bytes[at + 5]!]! ^
        t[256 + bytes[at + 6]!]! ^
        t[bytes[at + 7]!]!;
    }
    for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 255]!;
    this.value = crc;
  }

  digest(): Buffer {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(~this.value >>> 0);
    return out;
  }
}

class Sliced64 implements RunningCrc {
  private low = -1;
  private high = -1;
  private readonly tables: Tables;

  constructor(shape: CrcShape) {
    this.tables = getTables(shape);
  }

  update(bytes: Buffer): void {
    const { low: l, high: h } = this.tables;
    let { low, high } = this;
    let at = 0;
    for (const end = bytes.length - 7; at < end; at += 8) {
      const a = low ^ bytes.readInt32LE(at);
      const b = high ^ bytes.readInt32LE(at + 4);
      const i7 = 1792 + (a & 255);
      const i6 = 1536 + ((a >>> 8) & 255);
      const i5 = 1280 + ((a >>> 16) & 255);
      const i4 = 1024 + (a >>> 24);
      const i3 = 768 + (b & 255);
      const i2 = 512 + ((b >>> 8) & 255);
      const i1 = 256 + ((b >>> 16) & 255);
      const i0 = b >>> 24;
      low = l[i7]! ^ l[i6]! ^ l[i5]! ^ l[i4]! ^ l[i3]! ^ l[i2]! ^ l[i1]! ^ l[i0]!;
      high = h[i7]! ^ h[i6]! ^ h[i5]! ^ h[i4]! ^ h[i3]! ^ h[i2]! ^ h[i1]! ^ h[i0]!;
    }
    for (; at < bytes.length; at++) {
      const index = (low ^ bytes[at]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ l[index]!;
      high = (high >>> 8) ^ h[index]!;
    }
    this.low = low;
    this.high = high;
  }

  digest(): Buffer {
    const out = Buffer.alloc(8);
    out.writeUInt32BE(~this.high >>> 0, 0);
    out.writeUInt32BE(~this.low >>> 0, 4);
    return out;
  }
}

/** The CRC of A followed by B, from their CRCs and B's length: crc(A) · x^(8·|B|) + crc(B), modulo the polynomial. */
export function combineCrc(shape: CrcShape, first: Buffer, second: Buffer, secondLengthBytes: number): Buffer {
  const shifted = multiply(shape, powerOfX(shape, BigInt(secondLengthBytes) * 8n), toBigInt(first));
  const hex = (shifted ^ toBigInt(second)).toString(16).padStart(shape.bits / 4, '0');
  return Buffer.from(hex, 'hex');
}

const powers = new Map<string, bigint>();

function powerOfX(shape: CrcShape, exponent: bigint): bigint {
  const name = `${shape.polynomial}/${exponent}`;
  const known = powers.get(name);
  if (known !== undefined) return known;
  let result = 1n << BigInt(shape.bits - 1);
  let square = 1n << BigInt(shape.bits - 2);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = multiply(shape, square, result);
    square = multiply(shape, square, square);
  }
  if (powers.size > 1000) powers.clear();
  powers.set(name, result);
  return result;
}

function multiply(shape: CrcShape, a: bigint, b: bigint): bigint {
  let product = 0n;
  let shifted = b;
  for (let bit = 1n << BigInt(shape.bits - 1); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ shape.polynomial : shifted >> 1n;
  }
  return product;
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}
