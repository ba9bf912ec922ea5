import { setTimeout as delay } from 'node:timers/promises';
import type { LocalCloud } from '../../local-cloud/local-cloud';
import { adminS3 } from '../../support/admin-s3';
import { JobSender, type SentJob } from '../job-sender';
import { SeededRandom } from '../seeded-random';

const KINDS = ['file', 'file', 'large', 'set', 'set', 'many', 'key', 'tar.gz', 'zip', 'upload'] as const;
/** Folders that several jobs land in, one over the other. */
const SHARED = 4;
const LOGS = 'installed';
/** More need not wait at a time: they are done one after the other. */
const MOST_PENDING = 4;

/** Somebody sends jobs as long as the link is up. */
export class JobsTraffic {
  /** In order. */
  readonly jobs: SentJob[] = [];
  readonly #stopping = new AbortController();
  readonly #random: SeededRandom;
  readonly #sender: JobSender;
  readonly #s3: ReturnType<typeof adminS3>;
  #work: Promise<void> = Promise.resolve();

  /** @param logs folder on the device */
  constructor(
    private readonly cloud: LocalCloud,
    bucket: string,
    logs: string,
    seed: number,
  ) {
    this.#random = new SeededRandom(seed);
    this.#s3 = adminS3(cloud);
    this.#sender = new JobSender(bucket, logs, this.#random);
    this.#sender.layLogs(LOGS);
  }

  start(): this {
    this.#work = this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
    this.#s3.destroy();
  }

  async #run(): Promise<void> {
    const random = this.#random;
    while (!this.#stopping.signal.aborted) {
      await delay(random.between(5, 250));
      const { control } = this.cloud.jobs;
      const pending = this.jobs.filter(({ jobId }) =>
        ['QUEUED', 'IN_PROGRESS'].includes(control.describeJobExecution(jobId, 'device00').status),
      );
      if (pending.length >= MOST_PENDING) continue;
      const kind = random.pick(KINDS);
      // The disk is small.
      const isShared = kind === 'many' || kind === 'large' || random.chance(0.5);
      const into = isShared ? `${kind}-${random.between(1, kind === 'large' ? 1 : SHARED)}` : undefined;
      // Offline its objects are not taken.
      const sent = await this.#sender
        .send({ cloud: this.cloud, s3: this.#s3 }, kind, { into, logs: LOGS })
        .catch(() => undefined);
      if (sent !== undefined) this.jobs.push(sent);
    }
  }
}
