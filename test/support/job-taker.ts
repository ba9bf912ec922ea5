import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Edge } from '../../src/component';
import type { ExecutionDescription, JobsControl } from '../local-cloud/jobs/jobs-control';
import type { PolicyDocument } from '../local-cloud/policy';
import { courierIotPolicy, seedDIotPolicy } from '../local-cloud/seed-iot-policies';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { adminS3 } from './admin-s3';
import { Courier } from './courier';
import { until } from './until';
import { urlPlaceholder } from './url-placeholder';

/** A courier in this process that takes jobs, by seed D's IoT policy where it has no bucket, and somebody who sends them. */
export class JobTaker {
  private constructor(
    readonly courier: Courier,
    private readonly s3: S3Client,
  ) {}

  static async create(
    options: {
      jobs?: object;
      config?: Record<string, object>;
      edge?: Partial<Edge>;
      policy?: PolicyDocument;
      /** Whether its own credentials are configured, too. */
      hasBucket?: boolean;
    } = {},
  ): Promise<JobTaker> {
    const courier = await Courier.create({
      policy: options.policy ?? seedEPolicy(Courier.bucket),
      config: { outboxes: [], ...options.config },
      cloud: { minPresignSeconds: 1 },
      ...(options.edge === undefined ? {} : { edge: options.edge }),
    });
    const { cloud, sections } = courier;
    const certificatePolicy =
      options.hasBucket === true ? courierIotPolicy(cloud) : seedDIotPolicy(cloud, Courier.thing);
    await cloud.createThing(Courier.thing, { certificatePolicy });
    sections.jobs = { dir: join(courier.dir, 'jobs'), ...options.jobs };
    sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    if (options.hasBucket !== true) {
      delete sections.credentials;
      sections.s3 = { endpoint: cloud.s3Endpoint, caFile: cloud.caFile };
    }
    return new JobTaker(courier, adminS3(cloud));
  }

  get cloud() {
    return this.courier.cloud;
  }

  get control(): JobsControl {
    return this.cloud.jobs.control;
  }

  get folder(): string {
    return join(this.courier.dir, 'jobs');
  }

  /** What lies in the folder, folders of ours included. */
  get files(): string[] {
    return (readdirSync(this.folder, { recursive: true, withFileTypes: true }) as import('node:fs').Dirent[])
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1))
      .sort();
  }

  read(path: string): Buffer {
    return readFileSync(join(this.folder, path));
  }

  async put(key: string, content: string | Uint8Array): Promise<string> {
    await this.s3.send(
      new PutObjectCommand({
        Bucket: Courier.bucket,
        Key: key,
        Body: Buffer.from(content),
        ChecksumAlgorithm: 'CRC32',
      }),
    );
    return key;
  }

  /** A placeholder for a URL of that object. */
  url(key: string): string {
    return urlPlaceholder({ bucket: Courier.bucket, key });
  }

  /** @returns the id of the job */
  send(
    document: string | object,
    { expiresInSec = 3600, ...more }: Partial<Parameters<JobsControl['createJob']>[0]> & { expiresInSec?: number } = {},
  ): string {
    const jobId = `job-${randomUUID().slice(0, 8)}`;
    const isSigned = JSON.stringify(document).includes('s3-presigned-url');
    return this.control.createJob({
      jobId,
      targets: [Courier.thing],
      document,
      ...(isSigned ? { presignedUrlConfig: { expiresInSec } } : {}),
      ...more,
    }).jobId;
  }

  /** As the account sees it, once it has ended. */
  async ended(jobId: string, withinMs?: number): Promise<ExecutionDescription> {
    return this.waitFor(jobId, ({ status }) => status !== 'QUEUED' && status !== 'IN_PROGRESS', withinMs);
  }

  async waitFor(
    jobId: string,
    fits: (execution: ExecutionDescription) => boolean,
    withinMs?: number,
  ): Promise<ExecutionDescription> {
    const look = () => this.control.describeJobExecution(jobId, Courier.thing);
    await until(
      `job ${jobId}`,
      () => fits(look()),
      () => ({ execution: look(), status: this.status, logs: this.courier.logs.slice(-30) }),
      withinMs,
    );
    return look();
  }

  /** The one that was made last for a document. */
  lastUrl(): string {
    const urls = this.cloud.jobs.requests.flatMap(
      ({ answer }) => /https?:[^"]*X-Amz-Signature[^"]*/.exec(JSON.stringify(answer ?? ''))?.[0] ?? [],
    );
    return urls.at(-1)!;
  }

  /** As anybody may. */
  get(url: string): Promise<{ readonly status: number }> {
    const ca = readFileSync(this.cloud.caFile);
    return new Promise((resolve, reject) =>
      request(url, { ca, agent: false }, (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode! });
      })
        .on('error', reject)
        .end(),
    );
  }

  /** Somebody else updates the execution in the device's name. */
  update(jobId: string, body: object): void {
    const topic = `$aws/things/${Courier.thing}/jobs/${jobId}/update`;
    this.cloud.jobs.hear(topic, Buffer.from(JSON.stringify(body)), () => undefined);
  }

  get status() {
    return this.courier.component.status().jobs;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    await until(what, holds, () => ({ status: this.status, logs: this.courier.logs.slice(-30) }));
  }

  async end(): Promise<void> {
    this.s3.destroy();
    await this.courier.end();
  }
}
