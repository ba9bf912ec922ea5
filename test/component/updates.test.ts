import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

describe('an update of the component on classic', () => {
  let device: CoreDevice;

  beforeEach(async () => {
    device = await CoreDevice.create({
      kind: 'classic',
      configuration: { greengrass: { maxDeferSeconds: 8 }, upload: { stallSeconds: 60 } },
    });
    device.start();
    await until('attended', () => device.nucleus.updates.subscribers === 1);
  });
  afterEach(() => device.end());

  it('goes ahead at once while nothing is about to be complete', async () => {
    expect(await device.nucleus.announceUpdate()).toBe(1);
    expect(device.nucleus.updates.deferrals).toMatchObject([{ recheckAfterMs: 0 }]);
  });

  it('waits for a file in its last part', async () => {
    const stalled = device.cloud.faults.add({ kind: 'stall', operation: 'CompleteMultipartUpload' });
    device.drop('big.bin', Buffer.alloc(20 * 1024 * 1024, 1));
    await stalled.waitForHits(1);
    const announced = device.nucleus.announceUpdate();
    await until('deferred', () => device.nucleus.updates.deferrals.length === 1);
    expect(device.nucleus.updates.deferrals[0]!.recheckAfterMs).toBeGreaterThan(0);
    stalled.release();
    await device.stored('device00/outbox/big.bin');
    expect(await announced).toBe(2);
  });

  it('waits no longer than it may', async () => {
    device.cloud.faults.add({ kind: 'stall', operation: 'CompleteMultipartUpload', count: Infinity });
    device.drop('big.bin', Buffer.alloc(20 * 1024 * 1024, 1));
    await until('at its end', async () => (await device.status()).active[0]?.sentBytes === 20 * 1024 * 1024);
    await device.nucleus.announceUpdate();
    const waitedMs = device.nucleus.updates.deferrals.reduce((sum, { recheckAfterMs = 0 }) => sum + recheckAfterMs, 0);
    expect(waitedMs).toBeLessThanOrEqual(8_000);
    expect(device.nucleus.updates.deferrals.at(-1)).toMatchObject({ recheckAfterMs: 0 });
  });
});
