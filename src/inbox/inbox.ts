import type { Clock } from '../clock';
import { asTransferError, hasCode, type TransferError } from '../domain/errors';
import type { Link } from '../link/link';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { InboxArchive } from './inbox-archive';
import type { InboxStore } from './inbox-store';
import type { InboxTable } from './inbox-table';
import type { InboxWorker } from './inbox-worker';
import { parseTrigger } from './parse-trigger';

export interface InboxOptions {
  readonly table: InboxTable;
  readonly store: InboxStore;
  readonly worker: InboxWorker;
  readonly archive: InboxArchive;
  readonly link: Link;
  readonly bucket: string;
  /** Listed, and archived from; ends with a slash, or is empty. */
  readonly prefix: string;
  /** What may be asked for by name. */
  readonly allowedPrefixes: readonly string[];
  /** The one file of the inbox that is meant. */
  readonly only: string | undefined;
  /** Polled by name, each; then nothing is listed. */
  readonly keys: readonly string[];
  /** 0: never by the clock. */
  readonly pollMs: number;
  readonly historyObjects: number;
  /** Something is wrong with a request: for whoever asked. */
  readonly onRefused: (reason: string, id: string | undefined) => void;
  readonly clock: Clock;
  /** 0 ≤ dice < 1 */
  readonly dice: () => number;
  readonly log: Log;
}

export interface InboxStatus {
  readonly folder: string;
  readonly open: number;
  readonly failed: number;
  readonly lastLookAtMs: number | undefined;
  readonly problems: readonly string[];
}

const IDLE_MS = 3_600_000;
const AGAIN_BASE_MS = 5_000;
const AT_A_TIME = 500;
const LISTING_FAILS = 'the inbox cannot be listed, objects come by name only';
const KEYS_FAIL = 'the keys of the inbox cannot be polled';

/**
 * Finds what has to come down: by being told, and by looking, because a message may be lost: at start, after each
 * reconnection, and by the clock.
 */
export class Inbox {
  readonly #loop: RunLoop;
  readonly #stopping = new AbortController();
  #isAsked = true;
  #requests: (string | undefined)[] = [];
  #failures = 0;
  #lastLookAtMs: number | undefined;
  #nextLookMs = 0;
  #problem: string | undefined;

  constructor(private readonly options: InboxOptions) {
    this.#loop = new RunLoop(() => this.#step(), options.clock);
  }

  get status(): Omit<InboxStatus, 'folder'> {
    const { table, worker, archive } = this.options;
    const problems = [this.#problem, worker.problem, archive.problem, explainUnseen(table.unseen)].filter(
      (one) => one !== undefined,
    );
    return { ...table.counts, lastLookAtMs: this.#lastLookAtMs, problems };
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<unknown> {
    return Promise.all([this.#loop.finished, this.options.worker.finished]);
  }

  start(): this {
    this.options.worker.start();
    this.#loop.start();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#loop.stop(), this.options.worker.stop()]);
  }

  /** Something may have been missed, or the link is up. */
  wake(): void {
    this.options.worker.wake();
    if (this.#failures > 0) this.look();
  }

  /** Through all that may come. @param request of whoever asks, for the results */
  look(request?: string): void {
    this.#isAsked = true;
    this.#requests.push(request);
    this.#loop.wake();
  }

  /** A message on the pull topic. */
  async trigger(payload: Buffer): Promise<void> {
    const { bucket, onRefused } = this.options;
    const trigger = parseTrigger(payload, bucket);
    if (trigger.kind === 'all') this.look(trigger.id);
    if (trigger.kind === 'refused') onRefused(trigger.reason, trigger.id);
    if (trigger.kind === 'keys') {
      const refused = await this.pull(trigger.keys, trigger.id);
      for (const reason of refused) onRefused(reason, trigger.id);
    }
  }

  /** By name: no listing is needed. @returns why some cannot be asked for */
  async pull(keys: readonly string[], request: string | undefined): Promise<string[]> {
    const { allowedPrefixes, table, worker } = this.options;
    const isAllowed = (key: string): boolean =>
      this.options.keys.includes(key) || allowedPrefixes.some((prefix) => key.startsWith(prefix));
    const allowed = keys.filter(isAllowed);
    await table.want(allowed.map((key) => ({ key, etag: undefined, request })));
    worker.wake();
    return keys
      .filter((key) => !allowed.includes(key))
      .slice(0, 10)
      .map(
        (key) =>
          `${key.slice(0, 200)}: files come from ${allowedPrefixes.map((prefix) => `"${prefix}"`).join(', ')} only; see inbox.allowedPrefixes`,
      );
  }

  /** @returns for how many milliseconds there is nothing to do */
  async #step(): Promise<number> {
    const { clock, link, pollMs, dice, log } = this.options;
    const waitMs = this.#nextLookMs - clock.monotonicMs();
    if (!this.#isAsked && waitMs > 0) return Math.min(IDLE_MS, waitMs);
    if (link.status.state === 'down') return IDLE_MS; // its coming up wakes us
    const requests = this.#requests.splice(0);
    this.#isAsked = false;
    try {
      const problem = await this.#find(requests.find((id) => id !== undefined));
      this.#failures = 0;
      if (problem !== undefined && problem !== this.#problem)
        log.warn({ reason: problem }, 'a key that is polled is not there, or denied');
      this.#problem = problem;
      this.#lastLookAtMs = clock.nowMs();
      // Half to one and a half: a fleet that was switched on together must not ask together for ever.
      this.#nextLookMs = clock.monotonicMs() + (pollMs === 0 ? Number.POSITIVE_INFINITY : pollMs * (0.5 + dice()));
    } catch (cause) {
      await this.#putOff(asTransferError(cause), requests);
    }
    return 0;
  }

  async #putOff(error: TransferError, requests: readonly (string | undefined)[]): Promise<void> {
    const { clock, link, pollMs, log, dice } = this.options;
    if (this.#stopping.signal.aborted) return;
    const isLasting = error.recovery === 'await-account' || error.recovery === 'give-up';
    const capMs = isLasting ? Math.max(pollMs, IDLE_MS) : IDLE_MS;
    const pauseMs = isLasting ? capMs : Math.min(capMs, AGAIN_BASE_MS * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    this.#nextLookMs = clock.monotonicMs() + pauseMs * (0.5 + dice() / 2);
    if (!isLasting) this.#requests.unshift(...requests);
    if (isLasting) {
      const what = this.options.keys.length > 0 ? KEYS_FAIL : LISTING_FAILS;
      if (this.#problem === undefined) log.warn({ code: error.code, reason: error.message }, what);
      this.#problem = `${what}: ${error.message}`;
    }
    if (error.recovery === 'await-link')
      await link.verify(error.linkTarget).catch((stopped: unknown) => {
        if (!hasCode(stopped, 'STOPPING')) throw stopped;
      });
  }

  /** @returns what a person should know of it */
  async #find(request: string | undefined): Promise<string | undefined> {
    const { keys, table, historyObjects } = this.options;
    const problem = keys.length > 0 ? await this.#pollKeys(request) : await this.#list(request);
    await table.prune(historyObjects);
    return problem;
  }

  async #list(request: string | undefined): Promise<undefined> {
    const { store, table, worker, prefix, only } = this.options;
    for await (const page of store.list(prefix, this.#stopping.signal)) {
      const files = page.filter(
        ({ key, sizeBytes }) =>
          key !== prefix &&
          !(key.endsWith('/') && sizeBytes === 0) && // how consoles make folders
          (only === undefined || key === prefix + only),
      );
      for (let i = 0; i < files.length; i += AT_A_TIME) {
        const made = await table.want(files.slice(i, i + AT_A_TIME).map(({ key, etag }) => ({ key, etag, request })));
        if (made > 0) worker.wake();
      }
    }
  }

  /** Each by itself: one that is denied holds up no other. */
  async #pollKeys(request: string | undefined): Promise<string | undefined> {
    const { store, table, worker, keys } = this.options;
    let failure: TransferError | undefined;
    let unseen: string | undefined;
    for (const key of keys) {
      const latest = table.findLatest(key);
      try {
        const etag = await store.findOther(
          key,
          latest?.outcome === 'landed' ? latest.etag : undefined,
          this.#stopping.signal,
        );
        if (etag !== undefined && etag !== 'same' && (await table.want([{ key, etag, request }])) > 0) worker.wake();
      } catch (cause) {
        const error = asTransferError(cause);
        if (error.recovery === 'await-link' || error.recovery === 'release') throw error;
        if (error.code === 'OBJECT_UNSEEN') unseen = error.message;
        else failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return unseen;
  }
}

const explainUnseen = ({ count, reason }: { count: number; reason: string | null }): string | undefined =>
  count === 0
    ? undefined
    : `${count} asked for by name ${count === 1 ? 'is' : 'are'} not there, or denied, and looked for now and then: ${reason}`;
