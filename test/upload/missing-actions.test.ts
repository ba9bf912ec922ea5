import { randomBytes } from 'node:crypto';
import { presentStatus } from '../../src/cli/status';
import { MissingActions } from '../../src/upload/missing-actions';
import { Courier } from '../support/courier';
import { ManualClock } from '../support/manual-clock';
import { notedLog } from '../support/noted-log';

const MIB = 1024 * 1024;
const PUT_ONLY = {
  Version: '2012-10-17' as const,
  Statement: [{ Effect: 'Allow' as const, Action: 's3:PutObject', Resource: 'arn:aws:s3:::fleet-bucket/*' }],
};
const DAY_MS = 86_400_000;

describe('with PutObject alone', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it('every other right is asked for once, and the status says which are missing and what that costs', async () => {
    courier = await Courier.create({
      policy: PUT_ONLY,
      config: {
        upload: {
          onExisting: 'rename',
          singlePutMaxBytes: MIB,
          partSizeBytes: 5 * MIB,
          parallelParts: 1,
          parallelFiles: 1,
        },
      },
    });
    const { cloud } = courier;
    // Two lost answers: the keys are taken, whose are they?
    cloud.faults.add({ kind: 'dropAfter', operation: 'PutObject', key: /lost/, count: 2 });
    for (const name of ['lost1', 'lost2']) courier.drop(name, name);
    await courier.start();
    await courier.delivered(2);
    // Two files that change under way, and two that are stopped under way.
    for (const name of ['a.bin', 'b.bin']) {
      const stalled = cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 1 });
      courier.drop(name, randomBytes(12 * MIB));
      await stalled.waitForHits();
      courier.drop(name, randomBytes(11 * MIB));
      stalled.release();
      stalled.remove();
      await courier.delivered(name === 'a.bin' ? 3 : 4);
    }
    for (const [at, name] of ['c.bin', 'd.bin'].entries()) {
      const stalled = cloud.faults.add({ kind: 'internalError', operation: 'UploadPart', skip: 1 });
      courier.drop(name, randomBytes(12 * MIB));
      await stalled.waitForHits();
      await courier.delivered(5 + at);
    }
    const { missing } = courier.component.status();
    expect(missing.map(({ action }) => action).sort()).toEqual([
      's3:AbortMultipartUpload',
      's3:GetObject',
      's3:ListMultipartUploadParts',
    ]);
    for (const { action, cost } of missing)
      expect(cost).toMatch(new RegExp(`; to have it, allow ${action} in the policy of the role$`));
    const denied = cloud.requests.filter(({ status }) => status === 403).map(({ operation }) => operation);
    const asked = denied.filter((operation) => operation !== 'Unknown'); // the probe of the link
    expect(asked.sort()).toEqual(['AbortMultipartUpload', 'HeadObject', 'ListParts']);
    expect(courier.logs.filter(({ message }) => message === 'not granted, going on without')).toHaveLength(3);
    expect(presentStatus(courier.component.status())).toMatch(
      /^without {3}s3:AbortMultipartUpload: parts .*lifecycle rule/m,
    );
  });
});

describe('the lack of an action', () => {
  it('is looked at again daily, and forgotten when it is over', () => {
    const [clock, log] = [new ManualClock(), notedLog()];
    const missing = new MissingActions(clock, log);
    expect(missing.isWorthAsking('s3:GetObject')).toBe(true);
    missing.denied('s3:GetObject');
    expect(missing.isWorthAsking('s3:GetObject')).toBe(false);
    expect(missing.isWorthAsking('s3:AbortMultipartUpload')).toBe(true);
    void clock.pass(DAY_MS);
    expect(missing.isWorthAsking('s3:GetObject')).toBe(true);
    missing.denied('s3:GetObject');
    expect(log.lines).toHaveLength(1);
    void clock.pass(DAY_MS);
    missing.granted('s3:GetObject');
    expect(missing.status).toEqual([]);
    expect(log.said('granted now')).toHaveLength(1);
  });
});
