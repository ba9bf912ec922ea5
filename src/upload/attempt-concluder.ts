import type { Clock } from '../clock';
import { hasCode, TransferError } from '../domain/errors';
import type { Link } from '../link/link';
import type { Log } from '../log';
import type { AccountGate } from './account-gate';
import { type Conclusion, concludeFailure } from './transitions';
import type { Delivery, UploadAttempt } from './upload-attempt';
import type { Upload } from './upload-row';
import type { UploadTable } from './upload-table';

export interface ConcluderOptions {
  readonly table: UploadTable;
  readonly gate: AccountGate;
  readonly link: Link;
  readonly clock: Clock;
  readonly dice: () => number;
  readonly log: Log;
  readonly retryMaxMs: number;
  readonly accountProbeMaxMs: number;
}

/** Where rows come from, as their end concerns it. */
export interface ConcluderSource {
  /** Of its keys: the scope that access is granted by. */
  readonly prefix: string;
  /** A row of it has ended, and that is durable. */
  readonly onEnded: (row: Upload, end: 'done' | 'superseded' | 'failed') => void;
}

const RETRY_BASE_MS = 1_000;

/** Writes down how an attempt ended, and then says so. */
export class AttemptConcluder {
  constructor(private readonly options: ConcluderOptions) {}

  async deliver({ row, startedAtMs }: UploadAttempt, source: ConcluderSource, delivery: Delivery): Promise<void> {
    const { table, clock, log } = this.options;
    await table.complete(row, delivery.outcome, delivery.crc32);
    log.info(
      {
        id: row.id,
        key: row.objectKey,
        sizeBytes: row.sizeBytes,
        ms: Math.round(clock.monotonicMs() - startedAtMs),
        ...(row.note === undefined ? {} : { reason: row.note }),
      },
      delivery.outcome === 'delivered' ? 'delivered' : `skipped, ${delivery.skipped}`,
    );
    source.onEnded(row, 'done');
  }

  /** @param isUnwanted whether nobody wants the row sent any more; asked when all else is known */
  async fail(
    { row }: UploadAttempt,
    source: ConcluderSource,
    error: TransferError,
    isUnwanted: () => boolean,
  ): Promise<void> {
    const conclusion = await this.#judge(row, source, error);
    await this.#write(row, isUnwanted() ? { event: 'supersede' } : conclusion, source, error);
  }

  /** Taken, and not begun. */
  async putBack(row: Upload, isUnwanted: boolean): Promise<void> {
    const error = new TransferError('NOT_STARTED', 'taken, and put back before anything was sent');
    await this.options.table.conclude(row, { event: isUnwanted ? 'supersede' : 'release' }, error);
  }

  async #judge(row: Upload, { prefix }: ConcluderSource, error: TransferError): Promise<Conclusion> {
    const { gate, clock, dice, retryMaxMs, accountProbeMaxMs } = this.options;
    const probeAtMs = gate.failed(prefix, row.id, error);
    const linkUp = error.recovery !== 'await-link' || (await this.#isLinkUp(error));
    const nowMs = clock.nowMs();
    const probeInMs = probeAtMs === undefined ? undefined : Math.max(0, Math.ceil(probeAtMs - clock.monotonicMs()));
    return concludeFailure(
      error,
      {
        retry: { baseMs: RETRY_BASE_MS, capMs: retryMaxMs },
        account: { baseMs: RETRY_BASE_MS, capMs: accountProbeMaxMs },
      },
      {
        failures: row.failures,
        linkUp,
        accountProbeAtMs: probeInMs === undefined ? undefined : nowMs + probeInMs,
        nowMs,
        dice: dice(),
      },
    );
  }

  async #write(row: Upload, conclusion: Conclusion, source: ConcluderSource, error: TransferError): Promise<void> {
    const { table, log } = this.options;
    await table.conclude(row, conclusion, error);
    const fields = { id: row.id, key: row.objectKey, code: error.code, reason: error.message, attempt: row.attempt };
    switch (conclusion.event) {
      case 'fail':
        source.onEnded(row, 'failed');
        log.error(fields, 'file cannot be delivered');
        break;
      case 'supersede':
        source.onEnded(row, 'superseded');
        log.info(
          fields,
          error.recovery === 'supersede' ? 'file changed, its new version follows' : 'file is not wanted any more',
        );
        break;
      case 'defer':
      case 'restart':
        if (error.recovery !== 'await-account') log.warn(fields, 'attempt failed, another follows');
        break;
      case 'release':
        break;
    }
  }

  async #isLinkUp(error: TransferError): Promise<boolean> {
    try {
      return (await this.options.link.verify(error.linkTarget)) === 'up';
    } catch (stopped) {
      if (hasCode(stopped, 'STOPPING')) return false;
      throw stopped;
    }
  }
}
