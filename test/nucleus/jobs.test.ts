import type { Client } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
import { type IoTCoreMessage, QOS } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc/model';
import { JobsSite } from '../support/jobs-site';
import { attachJobs } from '../support/nucleus/attach-jobs';
import type { NucleusKind } from '../support/nucleus/switches';
import { until } from '../support/until';
import { urlPlaceholder } from '../support/url-placeholder';
import { NucleusSite } from './nucleus-site';

const THING = 'device00';
let cloud: JobsSite;
let site: NucleusSite;
let client: Client;

async function start(kind: NucleusKind): Promise<void> {
  cloud = await JobsSite.start();
  await cloud.cloud.createThing(THING);
  cloud.cloud.createBucket('depot');
  site = await NucleusSite.start({ kind, thingName: THING });
  attachJobs(site.nucleus.iotCore, cloud.jobs);
  client = await site.connect();
}
afterEach(async () => {
  await site.end();
  await cloud.stop();
});

const topic = (rest: string): string => `$aws/things/${THING}/jobs/${rest}`;
const say = (rest: string, request: object = {}) =>
  client.publishToIoTCore({ topicName: topic(rest), payload: JSON.stringify(request), qos: QOS.AT_LEAST_ONCE });

async function subscribe(rest: string): Promise<{ topic: string; message: Record<string, unknown> }[]> {
  const heard: { topic: string; message: Record<string, unknown> }[] = [];
  const stream = client.subscribeToIoTCore({ topicName: topic(rest), qos: QOS.AT_LEAST_ONCE });
  stream.on('message', ({ message }: IoTCoreMessage) => {
    const payload = Buffer.from(message!.payload as ArrayBuffer).toString();
    heard.push({ topic: message!.topicName!, message: JSON.parse(payload) as Record<string, unknown> });
  });
  await stream.activate();
  return heard;
}

describe.each(['classic', 'lite'] as const)('jobs through %s', (kind) => {
  beforeEach(() => start(kind));

  it('are told of, asked for and ended; the component hears what it subscribed to, and not what it asked', async () => {
    const heard = await subscribe('#');
    const notified = await subscribe('notify');
    const jobId = cloud.createJob([THING]);
    await until('notified', () => notified.length === 1);
    await say('$next/get', { includeJobDocument: false, clientToken: 'a' });
    await say(`${jobId}/get`, { clientToken: 'b' });
    await say(`${jobId}/update`, { status: 'SUCCEEDED', clientToken: 'c' });
    await say(`${jobId}/update`, { status: 'FAILED', clientToken: 'd' });
    await until(
      'the last answer',
      () => heard.some(({ message }) => message.clientToken === 'd'),
      () => heard,
    );
    expect(heard.map((each) => each.topic)).toEqual([
      topic('notify'),
      topic('notify-next'),
      topic('$next/get/accepted'),
      topic(`${jobId}/get/accepted`),
      topic(`${jobId}/update/accepted`),
      topic('notify'),
      topic('notify-next'),
      topic(`${jobId}/update/rejected`),
    ]);
    expect(heard[3]!.message).toMatchObject({ execution: { jobId, jobDocument: { operation: 'test' } } });
    expect(cloud.control.describeJobExecution(jobId, THING).status).toBe('SUCCEEDED');
  });

  it(`${kind === 'lite' ? 'lose' : 'bring'} a document of more than 4.7 KB`, async () => {
    const heard = await subscribe('#');
    const url = urlPlaceholder({ bucket: 'depot', key: `${'deep/'.repeat(20)}key` });
    const jobId = cloud.createJob([THING], { document: { files: [url, url, url] }, presignedUrlConfig: {} });
    await say(`${jobId}/get`);
    await say('get');
    await until(
      'the last answer',
      () => heard.some((each) => each.topic === topic('get/accepted')),
      () => heard,
    );
    const small = [topic('notify'), topic('get/accepted')];
    const large = [topic('notify-next'), topic(`${jobId}/get/accepted`)];
    const expected = kind === 'lite' ? small : [small[0], ...large, small[1]];
    expect(heard.map((each) => each.topic)).toEqual(expected);
  });
});
