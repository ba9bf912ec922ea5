import { METADATA } from '../../src/domain/object-metadata';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { MixedLoad } from './mixed-load';

/** What S3 has taken over all lives, and how much of it for the second time. */
export class Arrivals {
  renewals = 0;
  /** Requests that were done although their answer was lost on purpose: sent again without any kill. */
  #lostAnswers = 0;
  readonly #requests = new Map<string, number>();
  /** Number of the upload whose object lies under a key. */
  readonly #uploads = new Map<string, number>();

  constructor(
    private readonly load: MixedLoad,
    private readonly bucket: string,
    private readonly prefix: string,
  ) {}

  /** Takes over what the cloud has recorded since the last time. @returns what went wrong, a line each */
  read(cloud: LocalCloud): string[] {
    for (const { operation, key, status, fault } of cloud.requests) {
      if (operation === 'Credentials') this.renewals += 1;
      if (key === undefined || (operation !== 'PutObject' && operation !== 'UploadPart')) continue;
      if (status !== 200 && fault !== 'dropAfter') continue;
      if (fault === 'dropAfter') this.#lostAnswers += 1;
      this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    }
    cloud.clearRequests();
    return [...this.load.files]
      .filter(([, { versions }]) => versions > 1)
      .flatMap(([name]) => this.#findStepBack(cloud, this.prefix + name));
  }

  get requests(): number {
    return [...this.#requests.values()].reduce((sum, count) => sum + count, 0);
  }

  /** So far. Of replaced files what is beyond all their versions; of others each request beyond the first. */
  get sentTwice(): number {
    let twice = 0;
    for (const [key, count] of this.#requests)
      twice += Math.max(0, count - this.load.requestsOf(key.slice(this.prefix.length)));
    return Math.max(0, twice - this.#lostAnswers);
  }

  /** Uploads are numbered as they are queued: an older version must not come over a newer one, not even for a moment. */
  #findStepBack(cloud: LocalCloud, key: string): string[] {
    const id = cloud.findObject(this.bucket, key)?.headers[`x-amz-meta-${METADATA.uploadId}`];
    if (id === undefined) return [];
    const number = Number(id.slice(id.lastIndexOf('-') + 1));
    const before = this.#uploads.get(key) ?? 0;
    this.#uploads.set(key, number);
    return number < before ? [`older over newer: ${key}, upload ${number} after ${before}`] : [];
  }
}
