import { randomUUID } from 'node:crypto';
import type { MqttConnection } from '../../src/aws/mqtt/mqtt-connection';
import { MqttSite } from '../support/mqtt-site';
import { until } from '../support/until';
import type { LocalThing } from './local-cloud';
import { seedDIotPolicy } from './seed-iot-policies';

let site: MqttSite;
let thing: LocalThing;
let device: JobsDevice;
let jobId: string;

beforeAll(async () => {
  site = await MqttSite.start();
});
afterAll(() => site.stop());
beforeEach(async () => {
  const name = `pump-${randomUUID().slice(0, 8)}`;
  thing = await site.createThing(name, seedDIotPolicy(site.cloud, name));
  device = await JobsDevice.connect(thing);
  jobId = `job-${randomUUID().slice(0, 8)}`;
});

type Message = Record<string, unknown>;

/** What a device says about its jobs, and what it hears: with the policy of seed D, by AWS's own MQTT client. */
class JobsDevice {
  private tokens = 0;

  private constructor(
    readonly name: string,
    readonly connection: MqttConnection,
    readonly heard: string[],
  ) {}

  static async connect({ name }: LocalThing): Promise<JobsDevice> {
    const { connection, heard } = await site.connect(thing);
    return new JobsDevice(name, connection, heard);
  }

  topic(rest: string): string {
    return `$aws/things/${this.name}/jobs/${rest}`;
  }

  messages(rest: string): Message[] {
    const start = `${this.topic(rest)} `;
    return this.heard.filter((each) => each.startsWith(start)).map((each) => JSON.parse(each.slice(start.length)));
  }

  async say(rest: string, payload: object | string | Buffer): Promise<void> {
    const isRaw = typeof payload === 'string' || Buffer.isBuffer(payload);
    await this.connection.publish(this.topic(rest), Buffer.from(isRaw ? payload : JSON.stringify(payload)));
  }

  /** The answer, whichever it is, without its time. */
  async ask(rest: string, request: object = {}): Promise<Message & { is: string }> {
    const clientToken = `token-${this.tokens++}`;
    await this.say(rest, { ...request, clientToken });
    const find = () =>
      ['accepted', 'rejected'].flatMap((is) =>
        this.messages(`${rest}/${is}`)
          .filter((each) => each.clientToken === clientToken)
          .map((each) => ({ is, ...each })),
      );
    await until(
      `answer to ${rest}`,
      () => find().length > 0,
      () => this.heard,
    );
    const [{ clientToken: _, timestamp, ...answer }] = find() as [Message & { is: string }];
    expect(Number.isInteger(timestamp)).toBe(true);
    expect(Math.abs((timestamp as number) - Date.now() / 1000)).toBeLessThan(60);
    return answer as Message & { is: string };
  }
}

const document = { operation: 'test', version: 3 };
const create = (id = jobId) => site.cloud.jobs.control.createJob({ jobId: id, targets: [thing.name], document });

describe('with the policy of seed D', () => {
  it('nothing is pending', async () => {
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [] });
    expect(await device.ask('start-next')).toEqual({ is: 'accepted' });
    expect(await device.ask('$next/get')).toEqual({ is: 'accepted' });
  });

  it('a job is found, begun, and ended', async () => {
    create();
    const summary = { jobId, queuedAt: expect.any(Number), lastUpdatedAt: expect.any(Number), executionNumber: 1 };
    const queued = { ...summary, versionNumber: 1 };
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [queued] });
    const described = { ...queued, thingName: thing.name, status: 'QUEUED' };
    expect(await device.ask('$next/get')).toEqual({
      is: 'accepted',
      execution: { ...described, jobDocument: document },
    });
    expect(await device.ask(`${jobId}/get`, { includeJobDocument: false })).toEqual({
      is: 'accepted',
      execution: described,
    });
    const begun = await device.ask('start-next', { statusDetails: { step: 'first' } });
    expect(begun).toEqual({
      is: 'accepted',
      execution: {
        ...summary,
        thingName: thing.name,
        status: 'IN_PROGRESS',
        statusDetails: { step: 'first' },
        startedAt: expect.any(Number),
        versionNumber: 2,
        jobDocument: document,
      },
    });
    const ended = { status: 'SUCCEEDED', statusDetails: { bytes: '7' }, expectedVersion: 2 };
    expect(await device.ask(`${jobId}/update`, ended)).toEqual({ is: 'accepted' });
    expect(await device.ask('get')).toEqual({ is: 'accepted', inProgressJobs: [], queuedJobs: [] });
    expect(site.cloud.jobs.control.describeJobExecution(jobId, thing.name)).toMatchObject({
      status: 'SUCCEEDED',
      statusDetails: { bytes: '7' },
      versionNumber: 3,
    });
    expect(site.cloud.jobs.control.describeJob(jobId)).toMatchObject({ status: 'COMPLETED' });
  });
});
