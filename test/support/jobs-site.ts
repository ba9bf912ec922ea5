import { randomUUID } from 'node:crypto';
import type { JobsControl } from '../local-cloud/jobs/jobs-control';
import type { LocalThing } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedDIotPolicy } from '../local-cloud/seed-iot-policies';
import { JobsDevice } from './jobs-device';
import { MqttSite } from './mqtt-site';

/** A cloud with jobs, and things that have no more than the policy of seed D. */
export class JobsSite {
  private constructor(readonly mqtt: MqttSite) {}

  static async start(...options: Parameters<typeof MqttSite.start>): Promise<JobsSite> {
    return new JobsSite(await MqttSite.start(...options));
  }

  get cloud() {
    return this.mqtt.cloud;
  }

  get jobs() {
    return this.mqtt.cloud.jobs;
  }

  get control(): JobsControl {
    return this.jobs.control;
  }

  /** A new thing. @param policy instead of seed D's */
  async device(policy?: PolicyDocument): Promise<JobsDevice> {
    const name = `pump-${randomUUID().slice(0, 8)}`;
    return this.connect(await this.mqtt.createThing(name, policy ?? seedDIotPolicy(this.cloud, name)));
  }

  async connect(thing: LocalThing): Promise<JobsDevice> {
    const { connection, heard } = await this.mqtt.connect(thing);
    return new JobsDevice(thing.name, connection, heard);
  }

  /** A thing of seed D's that was away. */
  async reconnect(thing: string): Promise<JobsDevice> {
    return this.connect(await this.mqtt.createThing(thing, seedDIotPolicy(this.cloud, thing)));
  }

  /** @returns the id of a job for these things */
  createJob(targets: readonly string[], options: Partial<Parameters<JobsControl['createJob']>[0]> = {}): string {
    const jobId = `job-${randomUUID().slice(0, 8)}`;
    return this.control.createJob({ jobId, targets, document: { operation: 'test' }, ...options }).jobId;
  }

  stop(): Promise<void> {
    return this.mqtt.stop();
  }
}
