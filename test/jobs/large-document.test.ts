import { HandBus } from '../messages/hand-bus';
import { JobTaker } from '../support/job-taker';
import { fitsFilter } from '../support/nucleus/fits-filter';
import { SkippingClock } from '../support/skipping-clock';

/** What reaches a component through nucleus lite. */
const MOST_BYTES = 4_700;

describe('a nucleus that loses what is too large', () => {
  const clock = new SkippingClock();
  const bus = new HandBus();
  let taker: JobTaker;

  beforeEach(async () => {
    taker = await JobTaker.create({ edge: { buses: { cloud: bus }, clock } });
    bus.onPublish = (topic, payload) => {
      taker.cloud.jobs.hear(topic, payload, (to, answer) => {
        const message = Buffer.from(JSON.stringify(answer));
        if (message.length > MOST_BYTES)
          setImmediate(() => clock.skip(60_000)); // nobody waits for long
        else for (const [filter, { onMessage }] of bus.held) if (fitsFilter(to, filter)) onMessage(to, message);
      });
      return Promise.resolve();
    };
    await taker.put('one', '1');
  });
  afterEach(() => taker.end());

  it('makes a job with many URLs fail with what to do, and the next one is taken', async () => {
    const files = Array.from({ length: 6 }, (_, i) => ({ url: taker.url('one'), path: `f${i}` }));
    const large = taker.send({ files });
    const small = taker.send({ url: taker.url('one') });
    await taker.courier.start();
    bus.connect();
    const { status, statusDetails } = await taker.ended(large);
    expect([status, statusDetails.reason]).toEqual([
      'FAILED',
      'document does not reach this nucleus (over 4.7 KB): name keys, not urls',
    ]);
    expect((await taker.ended(small)).status).toBe('SUCCEEDED');
    const asked = taker.cloud.jobs.requests.filter(({ body }) => body?.includeJobDocument === true);
    expect(asked.filter(({ jobId }) => jobId === large)).toHaveLength(3);
  });
});
