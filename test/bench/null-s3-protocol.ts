import type { StoredObject } from './received-objects';

/** The bench's folder, which goes when the bench does; files the server process reads, and what the credentials endpoint gives out. */
export interface NullS3Setup {
  readonly dir: string;
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  readonly caFile: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export type NullS3Command =
  | { readonly command: 'set-up'; readonly setup: NullS3Setup }
  /** Forget everything; tell when `objects` objects are there. */
  | { readonly command: 'expect'; readonly objects: number }
  | { readonly command: 'report' }
  /** The daemon under way, null when there is none: it is ended when the bench is gone. */
  | { readonly command: 'guard'; readonly pid: number | null };

export type NullS3Event =
  | { readonly event: 'listening'; readonly s3Port: number; readonly credentialsPort: number }
  | { readonly event: 'ready' }
  | { readonly event: 'all-arrived' }
  | { readonly event: 'report'; readonly report: NullS3Report };

export interface NullS3Report {
  readonly objects: readonly (readonly [key: string, object: StoredObject])[];
  readonly requests: number;
  readonly refused: readonly string[];
  /** Of the system's monotonic clock, which all processes share (decimal: it must survive JSON). */
  readonly firstRequestAtNs: string | undefined;
}
