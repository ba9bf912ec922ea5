import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { type DeferralFacts, decideDeferral } from '../../src/component/decide-deferral';
import { decideReconfiguration } from '../../src/component/decide-reconfiguration';
import { type Delivered, deliveredMessage } from '../../src/component/delivered-message';
import { componentSettings, parseConfig } from '../../src/config/load-config';
import type { Config } from '../../src/config/schema';
import { writeFileDurably } from '../../src/custody/write-file';
import { printableName } from '../../src/domain/printable-name';
import { MAX_PAYLOAD_BYTES } from '../../src/messages/bus';

const MIB = 1024 * 1024;
const parse = (settings: object): Config => parseConfig(settings, { thingName: 'device00', region: 'eu-central-1' });

describe('a changed configuration', () => {
  const usual = {
    s3: { bucket: 'one' },
    outboxes: [{ path: '/a' }, { path: '/b', key: 'b/{path}' }],
    state: { dir: '/state' },
  };
  const first = { path: '/a' };
  const second = { path: '/b', key: 'b/{path}' };

  it.each([
    ['nothing', {}, 'none'],
    ['a default, spelled out', { upload: { parallelFiles: 16 } }, 'none'],
    ['how many at once', { upload: { parallelFiles: 1 } }, 'adjust'],
    ['parts', { upload: { parallelParts: 1, partSizeBytes: 5 * MIB, singlePutMaxBytes: 0 } }, 'adjust'],
    ['the pause between attempts', { upload: { retryMaxSeconds: 7 } }, 'adjust'],
    ['an interval of an outbox', { outboxes: [{ ...first, rescanSeconds: 1 }, second] }, 'adjust'],
    ['what an outbox ignores', { outboxes: [first, { ...second, ignore: ['*.log'] }] }, 'adjust'],
    ['rules of an outbox', { outboxes: [{ ...first, rules: [{ match: '*', claim: 'leave' }] }, second] }, 'adjust'],
    ['priority', { outboxes: [{ ...first, priority: 3 }, second] }, 'adjust'],
    ['what is agreed with the nucleus', { greengrass: { maxDeferSeconds: 1, deliveredTopic: 'x' } }, 'adjust'],
    ['the bucket', { s3: { bucket: 'two' } }, 'restart'],
    ['tags', { s3: { bucket: 'one', tags: { a: 'b' } } }, 'restart'],
    ['a path', { outboxes: [first, { ...second, path: '/c' }] }, 'restart'],
    ['a key', { outboxes: [{ ...first, key: 'x/{path}' }, second] }, 'restart'],
    ['the order of files', { outboxes: [{ ...first, order: 'newest' }, second] }, 'restart'],
    ['the order of outboxes', { outboxes: [second, first] }, 'restart'],
    ['one outbox more', { outboxes: [first, second, { path: '/c', key: 'c/{path}' }] }, 'restart'],
    ['one outbox less', { outboxes: [first] }, 'restart'],
    ['the state folder', { state: { dir: '/other' } }, 'restart'],
    ['how much is remembered', { state: { dir: '/state', historyFiles: 5 } }, 'restart'],
    ['memory', { upload: { uploadMemoryBytes: MIB } }, 'restart'],
    ['the checksum', { upload: { integrity: 'md5' } }, 'restart'],
    ['when a request is given up', { upload: { stallSeconds: 5 } }, 'restart'],
    ['the thing', { thing: { name: 'other' } }, 'restart'],
    ['both kinds', { upload: { parallelFiles: 1 }, s3: { bucket: 'two' } }, 'restart'],
  ])('%s', (_, change, expected) => {
    const [from, to] = [parse(usual), parse({ ...usual, ...change })];
    expect(decideReconfiguration(from, to)).toBe(expected);
    expect(decideReconfiguration(to, from)).toBe(expected);
  });

  it('is none exactly where both are equal, and the same in either direction', () => {
    const settings = fc.record({
      s3: fc.record({ bucket: fc.constantFrom('one', 'two') }),
      outboxes: fc.uniqueArray(
        fc.record({
          path: fc.constantFrom('/a', '/b'),
          settleSeconds: fc.constantFrom(0, 5),
          order: fc.constantFrom('oldest', 'newest'),
        }),
        { selector: ({ path }) => path },
      ),
      upload: fc.record({ parallelFiles: fc.constantFrom(1, 2), integrity: fc.constantFrom('crc32', 'md5') }),
      greengrass: fc.record({ validateUpdates: fc.boolean() }),
    });
    const config = settings.map(({ outboxes, ...rest }) =>
      parse({ ...rest, outboxes: outboxes.map((outbox) => ({ ...outbox, key: `${outbox.path.slice(1)}/{path}` })) }),
    );
    void fc.assert(
      fc.property(config, config, (from, to) => {
        const decided = decideReconfiguration(from, to);
        expect(decided === 'none').toBe(isDeepStrictEqual(from, to));
        expect(decideReconfiguration(to, from)).toBe(decided);
        // Whoever adjusts goes through the outboxes one by one.
        if (decided === 'adjust')
          expect(from.outboxes.map(({ path }) => path)).toEqual(to.outboxes.map(({ path }) => path));
      }),
    );
  });
});

describe('an announced update', () => {
  const facts = { active: [], partSizeBytes: 8 * MIB, waitedMs: 0, maxDeferMs: 60_000 };
  const inLastPart = { sizeBytes: 100 * MIB, sentBytes: 95 * MIB };
  const cases: readonly (readonly [string, Partial<DeferralFacts>, number])[] = [
    ['nothing under way', {}, 0],
    ['a file in its last part', { active: [inLastPart] }, 5_000],
    ['all sent, not complete', { active: [{ sizeBytes: 100 * MIB, sentBytes: 100 * MIB }] }, 5_000],
    ['exactly a part is missing', { active: [{ sizeBytes: 100 * MIB, sentBytes: 92 * MIB }] }, 5_000],
    ['a byte more is missing', { active: [{ sizeBytes: 100 * MIB, sentBytes: 92 * MIB - 1 }] }, 0],
    ['in the middle', { active: [{ sizeBytes: 100 * MIB, sentBytes: 50 * MIB }] }, 0],
    ['a small file', { active: [{ sizeBytes: 256 * 1024, sentBytes: 0 }] }, 0],
    ['one of several', { active: [{ sizeBytes: 9, sentBytes: 0 }, inLastPart] }, 5_000],
    ['near the limit', { active: [inLastPart], waitedMs: 58_999.5 }, 1_001],
    ['a moment before the limit', { active: [inLastPart], waitedMs: 59_999.9 }, 1],
    ['at the limit', { active: [inLastPart], waitedMs: 60_000 }, 0],
    ['beyond it', { active: [inLastPart], waitedMs: 70_000 }, 0],
    ['no deferral wanted', { active: [inLastPart], maxDeferMs: 0 }, 0],
  ];

  it.each(cases)('%s', (_, change, ms) => {
    expect(decideDeferral({ ...facts, ...change })).toBe(ms);
  });
});

describe('the message about a delivered file', () => {
  const usual: Delivered = {
    id: 'abcdef012345-7',
    thing: 'device00',
    outbox: '/data/outbox',
    path: Buffer.from('a/b.txt'),
    bucket: 'fleet-bucket',
    key: 'device00/outbox/a/b.txt',
    sizeBytes: 5,
    outcome: 'delivered',
  };
  const read = (message: Buffer): Record<string, unknown> => JSON.parse(message.toString()) as Record<string, unknown>;

  it('says where the file was and where it is', () => {
    const { outbox, path: _, ...rest } = usual;
    expect(read(deliveredMessage(usual))).toEqual({ event: 'delivered', ...rest, path: `${outbox}/a/b.txt` });
  });

  it('leaves out the path first, then the key', () => {
    const long = { ...usual, path: Buffer.alloc(4_096, 'x') };
    expect(read(deliveredMessage(long))).toMatchObject({ key: usual.key, id: usual.id });
    expect(read(deliveredMessage(long))).not.toHaveProperty('path');
    const odd = read(deliveredMessage({ ...usual, key: '\u0001'.repeat(1_024) }));
    expect(odd).toMatchObject({ id: usual.id, sizeBytes: 5 });
    expect(odd).not.toHaveProperty('key');
  });

  it('is JSON and fits, whatever the file is called', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4_096 }).map((a) => Buffer.from(a)),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1_300 }).map((text) => Buffer.from(text)),
      fc
        .tuple(fc.constantFrom('x', '"', '\\', 'ü', '漢', '\u0001', '%'), fc.integer({ min: 1, max: 1_365 }))
        .map(([one, count]) => Buffer.from(one.repeat(count))),
    );
    const key = bytes.map((name) => name.subarray(0, 1_024).toString('utf8').slice(0, 341));
    const widest = fc.constantFrom('"', '\\', '\u0001').map((one) => one.repeat(1_024));
    void fc.assert(
      fc.property(bytes, fc.oneof(key, widest), (path, objectKey) => {
        const message = deliveredMessage({ ...usual, path, key: objectKey });
        expect(message.length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
        const told = read(message);
        expect(told).toMatchObject({ event: 'delivered', id: usual.id });
        if ('path' in told) expect(told.path).toBe(`${usual.outbox}/${printableName(path)}`);
        if ('key' in told) expect(told.key).toBe(objectKey);
      }),
      { numRuns: 500 },
    );
  });
});

describe('settings from the nucleus', () => {
  const of = (value: unknown): unknown => componentSettings(value, '/data/nucleus');

  it.each([
    ['nothing', {}, { state: { dir: '/data/nucleus/state' } }],
    [
      'a bucket brings an outbox along',
      { s3: { bucket: 'b' } },
      { s3: { bucket: 'b' }, state: { dir: '/data/nucleus/state' }, outboxes: [{ path: '/data/nucleus/outbox' }] },
    ],
    [
      'outboxes of its own',
      { s3: { bucket: 'b' }, outboxes: [{ path: 'x' }] },
      { s3: { bucket: 'b' }, state: { dir: '/data/nucleus/state' }, outboxes: [{ path: '/data/nucleus/x' }] },
    ],
    [
      'no outbox is a wish too',
      { s3: { bucket: 'b' }, outboxes: [] },
      { s3: { bucket: 'b' }, state: { dir: '/data/nucleus/state' }, outboxes: [] },
    ],
    ['a bucket that was taken away', { s3: { bucket: null } }, { s3: {}, state: { dir: '/data/nucleus/state' } }],
    ['a bucket that lite took away', { s3: { bucket: 'null' } }, { s3: {}, state: { dir: '/data/nucleus/state' } }],
    ['a section that was taken away', { s3: null, state: 'null' }, { state: { dir: '/data/nucleus/state' } }],
    [
      'nulls inside lists',
      { outboxes: [{ path: 'x', sentDir: null, key: 'null' }] },
      { outboxes: [{ path: '/data/nucleus/x' }], state: { dir: '/data/nucleus/state' } },
    ],
    ['what is the nucleus’s', { accessControl: { a: { b: 1 } } }, { state: { dir: '/data/nucleus/state' } }],
    [
      'paths',
      { state: { dir: '/else/where' }, s3: { caFile: 'ca.pem' }, thing: { certificateFile: '../c.pem' } },
      {
        state: { dir: '/else/where' },
        s3: { caFile: '/data/nucleus/ca.pem' },
        thing: { certificateFile: '/data/c.pem' },
      },
    ],
  ])('%s', (_, value, expected) => {
    expect(of(value)).toEqual(expected);
  });

  it.each([['text'], [5], [null], [undefined], [['a']]])('%j is none, and is refused with a sentence', (value) => {
    expect(() => parseConfig(of(value), {})).toThrow('the configuration is not usable');
  });

  it('mean the same as strings', () => {
    const given = {
      s3: { bucket: 'b', pathStyle: true, expectedBucketOwner: '012345678901' },
      outboxes: [{ path: 'x', settleSeconds: 0.5, priority: -3, rules: [{ match: '*.log', settleSeconds: 0 }] }],
      upload: { parallelFiles: 3 },
      greengrass: { validateUpdates: false },
    };
    const asStrings = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(asStrings);
      if (typeof value !== 'object' || value === null) return String(value);
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, asStrings(one)]));
    };
    const surroundings = { thingName: 'device00', region: 'eu-central-1' };
    expect(parseConfig(of(asStrings(given)), surroundings)).toEqual(parseConfig(of(given), surroundings));
  });
});

describe('a file written durably', () => {
  let dir: string;
  let file: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'write-'));
    file = join(dir, 'file');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('has the content and the mode, whatever the umask', () => {
    const before = process.umask(0o777);
    try {
      writeFileDurably(file, 'hello', 0o755);
    } finally {
      process.umask(before);
    }
    expect(readFileSync(file, 'utf8')).toBe('hello');
    expect(statSync(file).mode & 0o777).toBe(0o755);
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('is not written where it is the same: flash wears out', () => {
    writeFileDurably(file, 'hello', 0o600);
    const before = statSync(file, { bigint: true });
    writeFileDurably(file, 'hello', 0o600);
    const { ino, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    expect({ ino, mtimeNs, ctimeNs }).toEqual({ ino: before.ino, mtimeNs: before.mtimeNs, ctimeNs: before.ctimeNs });
  });

  it('is the new one as a whole: another file takes its name', () => {
    writeFileDurably(file, 'a much longer content', 0o600);
    const { ino } = statSync(file);
    writeFileSync(`${file}.new`, 'left over by a power cut, and longer than what follows');
    chmodSync(`${file}.new`, 0o777);
    writeFileDurably(file, 'short', 0o600);
    expect(readFileSync(file, 'utf8')).toBe('short');
    expect(statSync(file).ino).not.toBe(ino);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
