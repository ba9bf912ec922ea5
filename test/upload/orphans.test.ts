import { createHash, randomBytes } from 'node:crypto';
import { RawS3 } from '../support/cloud-raw-s3';
import { Courier } from '../support/courier';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const KEY = 'device00/outbox/big.bin';
const policy = {
  Version: '2012-10-17' as const,
  Statement: [{ Effect: 'Allow' as const, Action: 's3:*', Resource: '*' }],
};
const PARTS = { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB };

describe('multipart uploads that no row goes on with', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  const openUploads = (): number => courier.cloud.multipartUploads(Courier.bucket).length;
  const told = () => courier.logs.filter(({ message }) => /left over|not granted/.test(message));

  /** The file is written over while its first version is under way. */
  async function changeUnderWay(): Promise<void> {
    const stalled = courier.cloud.faults.add({ kind: 'stall', operation: 'UploadPart' });
    courier.drop('big.bin', randomBytes(6 * MIB));
    await courier.start();
    await stalled.waitForHits();
    const second = randomBytes(7 * MIB);
    courier.drop('big.bin', second);
    stalled.release();
    await courier.delivered(1);
    expect(await courier.cloud.sha256(Courier.bucket, KEY)).toBe(createHash('sha256').update(second).digest('hex'));
  }

  it('are aborted', async () => {
    courier = await Courier.create({ policy, config: { upload: PARTS } });
    await changeUnderWay();
    await until('nothing is left open', () => openUploads() === 0);
    expect(told()).toEqual([]);
  });

  it.each([
    { why: 'the service fails', code: 'InternalError' as const, hint: '' },
    { why: 'the right to abort is missing', code: 'AccessDenied' as const, hint: 'lifecycle rule' },
  ])('are remembered while $why, and aborted after the next start', async ({ code, hint }) => {
    courier = await Courier.create({ policy, config: { upload: PARTS } });
    courier.cloud.faults.add({ kind: 'error', operation: 'AbortMultipartUpload', code, count: Infinity });
    await changeUnderWay();
    await until('the failure is told', () => told().length > 0);
    expect(told()).toHaveLength(1);
    expect(told()[0]?.reason).toContain(hint);
    await courier.stop();
    expect(openUploads()).toBe(1);
    courier.cloud.faults.clear();
    await courier.start();
    await until('nothing is left open', () => openUploads() === 0);
  });

  it.each(['skip', 'rename'] as const)('are aborted when the key turns out to be taken (%s)', async (onExisting) => {
    courier = await Courier.create({ policy, config: { upload: { ...PARTS, onExisting } } });
    const { cloud } = courier;
    const stalled = cloud.faults.add({ kind: 'stall', operation: 'CompleteMultipartUpload' });
    courier.drop('big.bin', randomBytes(6 * MIB));
    await courier.start();
    await stalled.waitForHits();
    const somebody = new RawS3(cloud.s3Endpoint, cloud.caFile, cloud.issueCredentials({ policy }), cloud.region);
    await somebody.send({ method: 'PUT', path: `/${Courier.bucket}/${KEY}`, body: 'foreign' });
    somebody.close();
    stalled.release();
    await courier.delivered(1);
    await until('nothing is left open', () => openUploads() === 0);
    expect((await courier.content(KEY)).toString()).toBe('foreign');
    expect(courier.keys()).toHaveLength(onExisting === 'skip' ? 1 : 2);
  });
});
