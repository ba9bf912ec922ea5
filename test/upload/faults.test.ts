import { createHash, randomBytes } from 'node:crypto';
import type { Fault } from '../local-cloud/fault-plan';
import { Courier } from '../support/courier';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const PARTS = { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB } };

describe('whatever goes wrong on the way', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it.each<{ name: string; faults: Fault[]; stallSeconds?: number }>([
    { name: 'connections that drop before anything is done', faults: [{ kind: 'drop', operation: '*', count: 6 }] },
    {
      name: 'connections that drop in mid-body',
      faults: [{ kind: 'drop', operation: 'UploadPart', afterBytes: 2 * MIB, count: 3 }],
    },
    {
      name: 'lost answers',
      faults: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'].map((operation) => ({
        kind: 'dropAfter',
        operation,
      })),
    },
    {
      name: 'truncated answers',
      faults: ['PutObject', 'CreateMultipartUpload', 'CompleteMultipartUpload'].map((operation) => ({
        kind: 'truncate',
        operation,
      })),
    },
    { name: '503 SlowDown', faults: [{ kind: 'slowDown', operation: '*', count: 8 }] },
    { name: '500 InternalError', faults: [{ kind: 'internalError', operation: '*', count: 8 }] },
    { name: '200 with an error inside', faults: [{ kind: 'error200', operation: 'CompleteMultipartUpload' }] },
    {
      name: 'bytes that turn over',
      faults: [
        { kind: 'corrupt', operation: 'PutObject' },
        { kind: 'corrupt', operation: 'UploadPart', count: 2 },
      ],
    },
    {
      name: 'answers that never come',
      stallSeconds: 1,
      faults: [
        { kind: 'stall', operation: 'PutObject' },
        { kind: 'stall', operation: 'UploadPart' },
        { kind: 'stall', operation: 'CompleteMultipartUpload' },
      ],
    },
    {
      name: 'a credentials endpoint that fails',
      faults: [
        { kind: 'internalError', operation: 'Credentials', count: 2 },
        { kind: 'drop', operation: 'Credentials' },
      ],
    },
    { name: 'a conflict at Complete', faults: [{ kind: 'conflict409', operation: 'CompleteMultipartUpload' }] },
    { name: 'a request time-out', faults: [{ kind: 'error', operation: 'UploadPart', code: 'RequestTimeout' }] },
    {
      name: 'a token said to be expired',
      faults: [
        { kind: 'error', operation: 'UploadPart', code: 'ExpiredToken', count: 3 },
        { kind: 'error', operation: 'CompleteMultipartUpload', code: 'ExpiredToken' },
      ],
    },
  ])('$name: everything arrives whole', async ({ faults, stallSeconds = 20 }) => {
    courier = await Courier.create({ config: { upload: { ...PARTS.upload, stallSeconds } } });
    const armed = faults.map((fault) => courier.cloud.faults.add(fault));
    const big = randomBytes(12 * MIB);
    const small = randomBytes(5_000);
    courier.drop('big.bin', big);
    courier.drop('small.bin', small);
    await courier.start();
    await courier.delivered(2);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(big));
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/small.bin')).toBe(sha256(small));
    for (const { fault, hits } of armed) expect(hits).toBe(fault.count ?? 1);
    for (const fault of armed) fault.release();
  });

  it('a lost answer to Complete is not sent again part by part', async () => {
    courier = await Courier.create({ config: PARTS });
    courier.cloud.faults.add({ kind: 'dropAfter', operation: 'CompleteMultipartUpload' });
    courier.drop('big.bin', randomBytes(12 * MIB));
    await courier.start();
    await courier.delivered(1);
    expect(courier.cloud.counters).toMatchObject({
      CreateMultipartUpload: 1,
      UploadPart: 3,
      CompleteMultipartUpload: 2,
    });
  });

  it('a lost answer to Complete that S3 no longer repeats is recognised by HEAD', async () => {
    courier = await Courier.create({ config: PARTS });
    courier.cloud.settings.completeRepeatMs = 0;
    courier.cloud.faults.add({ kind: 'dropAfter', operation: 'CompleteMultipartUpload' });
    courier.drop('big.bin', randomBytes(12 * MIB));
    await courier.start();
    await courier.delivered(1);
    expect(courier.cloud.counters).toMatchObject({ CreateMultipartUpload: 1, UploadPart: 3, HeadObject: 1 });
  });

  it('a multipart upload that somebody aborted starts anew', async () => {
    courier = await Courier.create({ config: PARTS });
    courier.cloud.faults.add({ kind: 'error', operation: 'UploadPart', code: 'NoSuchUpload', skip: 1 });
    const content = randomBytes(12 * MIB);
    courier.drop('big.bin', content);
    await courier.start();
    await courier.delivered(1);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(content));
    expect(courier.cloud.counters.CreateMultipartUpload).toBe(2);
  });

  it('while the link is down nothing is asked but one probe at a time, and no attempt is charged', async () => {
    courier = await Courier.create({ edge: { dice: () => 0.5 } });
    for (let i = 0; i < 300; i++) courier.drop(`f${i}`, 'x');
    await courier.cloud.goOffline();
    await courier.start();
    await courier.logged('link is down, waiting');
    await until('all are queued', () => courier.component.status().uploads.queued === 300);
    await courier.cloud.goOnline();
    await courier.delivered(300);
    expect(courier.logs.filter(({ message }) => message === 'attempt failed, another follows')).toEqual([]);
    expect(courier.logs.filter(({ message }) => message === 'link is down, waiting')).toHaveLength(1);
  });

  it('a service that is unwell is left in peace', async () => {
    courier = await Courier.create();
    for (let i = 0; i < 100; i++) courier.drop(`f${i}`, 'x');
    const fault = courier.cloud.faults.add({
      kind: 'slowDown',
      operation: 'PutObject',
      count: Number.POSITIVE_INFINITY,
    });
    await courier.start();
    await courier.logged('service is not well, files wait');
    expect(fault.hits).toBeLessThanOrEqual(32); // those under way when it was noticed
    fault.remove();
    await courier.delivered(100);
  });

  it('a clock that is years off is corrected by the answers', async () => {
    courier = await Courier.create();
    courier.cloud.clockOffsetMs = 40 * 86_400_000;
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.delivered(1);
    expect(courier.component.status().clockOffsetSeconds).toBeCloseTo(40 * 86_400, -2);
  });

  it('a bucket in another region is followed there', async () => {
    courier = await Courier.create({ config: { s3: { region: 'us-west-2' }, ...PARTS } });
    courier.drop('a.txt', 'x');
    courier.drop('big.bin', randomBytes(6 * MIB));
    await courier.start();
    await courier.delivered(2);
    await courier.logged('following the bucket to its region');
  });

  it('tokens that live 2 s expire many times in one upload, and nothing restarts', async () => {
    courier = await Courier.create({ config: { upload: { ...PARTS.upload, parallelParts: 1 } }, tokenSeconds: 2 });
    const content = randomBytes(40 * MIB);
    courier.drop('big.bin', content);
    const faults = [1, 2, 3, 4, 5].map((skip) =>
      courier.cloud.faults.add({ kind: 'error', operation: 'UploadPart', code: 'ExpiredToken', skip: skip * 2 }),
    );
    await courier.start();
    await courier.delivered(1);
    expect(faults.map(({ hits }) => hits).filter((hits) => hits > 0).length).toBeGreaterThan(1);
    expect(courier.cloud.counters.CreateMultipartUpload).toBe(1);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(content));
  });
});
