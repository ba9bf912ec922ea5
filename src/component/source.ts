import type { OutboxConfig } from '../config/schema';
import type { KeyTemplate } from '../domain/key-template';
import type { Outbox } from '../outbox/outbox';
import type { Upload } from '../upload/upload-row';

/** Where files that go up come from, as the way up sees it. */
export interface SendSource {
  /** The ledger's number of it. */
  readonly id: number;
  readonly template: KeyTemplate;
  readonly config: Pick<OutboxConfig, 'duplicates' | 'priority' | 'order'>;
  readonly outbox: Pick<Outbox, 'fileOf' | 'delivered' | 'superseded' | 'remainingBatches'> & {
    failed?(row: Upload): void;
  };
}

/** An outbox of the configuration, and what watches it now: another one when its rules change. */
export interface Source extends SendSource {
  readonly path: string;
  config: OutboxConfig;
  outbox: Outbox;
}
