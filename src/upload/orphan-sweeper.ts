import type { Clock } from '../clock';
import type { Ledger } from '../custody/ledger';
import { Statements } from '../custody/statements';
import { asTransferError, type TransferError } from '../domain/errors';
import type { Link } from '../link/link';
import type { Log } from '../log';
import { RunLoop } from '../run-loop';
import type { MissingActions } from './missing-actions';
import type { ObjectStore } from './object-store';

interface Orphan {
  readonly id: number;
  readonly object_key: string;
  readonly multipart_id: string;
}

const ABORT = 's3:AbortMultipartUpload';
/** An abort that failed is tried again after this long, or when the link comes up. */
const AGAIN_MS = 15 * 60_000;

/** Aborts multipart uploads that no row goes on with: invisible in listings, they cost money until somebody does. */
export class OrphanSweeper {
  readonly #sql: Statements;
  readonly #loop: RunLoop;
  readonly #stopping = new AbortController();
  #failureTold = false;

  constructor(
    private readonly ledger: Ledger,
    private readonly store: ObjectStore,
    private readonly link: Link,
    private readonly missing: MissingActions,
    clock: Clock,
    private readonly log: Log,
  ) {
    this.#sql = new Statements(ledger.db);
    this.#loop = new RunLoop(() => this.#sweep(), clock);
  }

  /** Rejects when the ledger broke. */
  get finished(): Promise<void> {
    return this.#loop.finished;
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  /** There is a new orphan, or the link is up. */
  wake(): void {
    this.#loop.wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop.stop();
  }

  async #sweep(): Promise<number> {
    const orphans = this.#sql.prepare('SELECT * FROM orphan_multipart ORDER BY id').all() as Orphan[];
    for (const { id, object_key, multipart_id } of orphans) {
      if (this.#loop.isStopping || this.link.status.state === 'down') break;
      if (!this.missing.isWorthAsking(ABORT)) break;
      try {
        await this.store.abortMultipart({ key: object_key, id: multipart_id }, this.#stopping.signal);
      } catch (cause) {
        if (this.#loop.isStopping) break;
        const error = asTransferError(cause);
        if (error.code === 'ACCESS_DENIED') this.missing.denied(ABORT);
        else this.#tell(error);
        // What the link or the account refuses one, they refuse all; what only this one meets holds up no other.
        if (error.recovery === 'await-link' || error.recovery === 'await-account') break;
        continue;
      }
      this.missing.granted(ABORT);
      await this.ledger.write(() => this.#sql.exactlyOne('DELETE FROM orphan_multipart WHERE id = ?', id));
      this.#failureTold = false;
    }
    return AGAIN_MS;
  }

  #tell({ code, message }: TransferError): void {
    if (this.#failureTold) return;
    this.#failureTold = true;
    this.log.warn({ code, reason: message }, 'multipart uploads that are left over could not be aborted');
  }
}
