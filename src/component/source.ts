import type { OutboxConfig } from '../config/schema';
import type { KeyTemplate } from '../domain/key-template';
import type { Outbox } from '../outbox/outbox';

/** An outbox of the configuration, and what watches it now: another one when its rules change. */
export interface Source {
  /** The ledger's number of it. */
  readonly id: number;
  readonly path: string;
  readonly template: KeyTemplate;
  config: OutboxConfig;
  outbox: Outbox;
}
