import type { LocalCloud } from '../local-cloud/local-cloud';
import type { MixedLoad } from './mixed-load';

/** What S3 has taken over all lives, and how much of it for the second time. */
export class Arrivals {
  renewals = 0;
  /** Requests that were done although their answer was lost on purpose: sent again without any kill. */
  #lostAnswers = 0;
  readonly #requests = new Map<string, number>();

  constructor(
    private readonly load: MixedLoad,
    private readonly prefix: string,
  ) {}

  /** Takes over what the cloud has recorded since the last time. */
  read(cloud: LocalCloud): void {
    for (const { operation, key, status, fault } of cloud.requests) {
      if (operation === 'Credentials') this.renewals += 1;
      if (key === undefined || (operation !== 'PutObject' && operation !== 'UploadPart')) continue;
      if (status !== 200 && fault !== 'dropAfter') continue;
      if (fault === 'dropAfter') this.#lostAnswers += 1;
      this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    }
    cloud.clearRequests();
  }

  get requests(): number {
    return [...this.#requests.values()].reduce((sum, count) => sum + count, 0);
  }

  /** So far. Of replaced files what is beyond all their versions; of others each request beyond the first. */
  get sentTwice(): number {
    let twice = 0;
    for (const [key, count] of this.#requests) {
      const name = key.slice(this.prefix.length);
      // Late versions have keys of their own and are not counted.
      twice += this.load.files.has(name) ? Math.max(0, count - this.load.requestsOf(name)) : 0;
    }
    return Math.max(0, twice - this.#lostAnswers);
  }
}
