import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { LocalCloud } from '../../local-cloud/local-cloud';
import { adminS3 } from '../../support/admin-s3';
import { SeededRandom } from '../seeded-random';
import { INBOX } from './inbox-history';

const KIB = 1024;
const SMALL = 40;
const LARGE = 4;
const FOLDERS = 6;

/** Somebody puts objects into the device's inbox as long as the link is up, also over those that are there. */
export class InboxTraffic {
  readonly #stopping = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(
    private readonly cloud: LocalCloud,
    private readonly bucket: string,
    private readonly seed: number,
  ) {}

  start(): this {
    this.#work = this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const random = new SeededRandom(this.seed);
    const s3 = adminS3(this.cloud);
    while (!this.#stopping.signal.aborted) {
      const isLarge = random.chance(0.1);
      const which = random.between(1, isLarge ? LARGE : SMALL);
      const name = isLarge ? `large-${which}.bin` : `f${which % FOLDERS}/g${which % 2}/o-${which}.txt`;
      const Body = random.bytes(isLarge ? random.between(400 * KIB, 1500 * KIB) : random.between(0, 48 * KIB));
      // Offline it is not taken.
      await s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: INBOX + name, Body })).catch(() => undefined);
      await delay(random.between(5, 120));
    }
    s3.destroy();
  }
}
