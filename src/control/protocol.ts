import { join } from 'node:path';

/**
 * The control socket: one JSON object a line each way, one request per connection (`events` goes on answering). Light on purpose: the command
 * line loads this file and nothing else of ours.
 */
export type ControlRequest =
  | { readonly command: 'status' }
  | { readonly command: 'ls'; readonly state?: string; readonly before?: number; readonly limit?: number }
  | { readonly command: 'show'; readonly id: number }
  /** Answered when the file is delivered. `path` is absolute. */
  | { readonly command: 'wait'; readonly path: string }
  /** Of these objects, or of the whole inbox: asked for, not awaited. */
  | { readonly command: 'pull'; readonly keys: readonly string[] }
  /** Answered by one `ControlAnswer<DeliveryEvent>` a line, for as long as the connection lasts. */
  | { readonly command: 'events' };

/** An upload has ended. */
export interface DeliveryEvent {
  readonly event: 'delivered' | 'failed';
  readonly upload: UploadSummary;
}

export type ControlAnswer<T = unknown> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly error: string };

export const DEFAULT_STATE_DIR = '/var/lib/thing-courier';

/** Linux keeps 108 bytes for a socket's path, the last of them zero. */
const MAX_SOCKET_PATH_BYTES = 107;

export function socketPath(stateDir: string): string {
  return join(stateDir, 'courier.sock');
}

/** @returns a sentence when no socket can have this path */
export function findSocketPathProblem(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  return bytes <= MAX_SOCKET_PATH_BYTES
    ? undefined
    : `the control socket ${path} would have a path of ${bytes} bytes, Linux takes ${MAX_SOCKET_PATH_BYTES}; choose a shorter state folder (state.dir or --state-dir)`;
}

export interface StatusDocument {
  readonly version: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly thing: string | undefined;
  readonly bucket: string | undefined;
  readonly uploads: Readonly<Record<'queued' | 'uploading' | 'done' | 'superseded' | 'failed', number>> & {
    readonly queuedBytes: number;
    readonly doneBytes: number;
  };
  /** Under way now. */
  readonly active: readonly ActiveUpload[];
  readonly link: { readonly state: 'up' | 'down'; readonly reason?: string; readonly sinceMs?: number };
  readonly credentials: CredentialsStatus;
  readonly clockOffsetSeconds: number;
  readonly outboxes: readonly {
    readonly path: string;
    /** Found by the last look. */
    readonly files: number;
    /** Of these, held open by a program that writes. */
    readonly held: number;
    readonly lastScanAtMs: number | undefined;
    /** Neither files nor folders: left where they are. */
    readonly odd: { readonly count: number; readonly examples: readonly string[] };
    /** Processes whose open files the daemon's user may not see. */
    readonly hiddenProcesses: number;
    /** Where claimed files wait; absent: they are sent from where they lie. */
    readonly spool: string | undefined;
    /** Claimed, and written to since: they settle anew. */
    readonly restless: number;
    /** Delivered, and not yet removed. */
    readonly sent: number;
    readonly problems: readonly string[];
  }[];
  /** Absent: nothing comes down. */
  readonly inbox?:
    | {
        readonly folder: string;
        /** Asked for, and not yet ended. */
        readonly open: number;
        readonly failed: number;
        readonly lastLookAtMs: number | undefined;
        readonly problems: readonly string[];
      }
    | undefined;
  /** Absent: no jobs are taken. */
  readonly jobs?:
    | {
        /** Under way. */
        readonly current:
          | { readonly jobId: string; readonly percent: number; readonly waitingFor: string | undefined }
          | undefined;
        /** How the latest ended, newest first. */
        readonly ended: readonly {
          readonly jobId: string;
          readonly outcome: string;
          readonly reason: string | undefined;
        }[];
        /** Ended here, and the cloud does not know yet. */
        readonly unreported: number;
        readonly problems: readonly string[];
      }
    | undefined;
  /** Who refuses, and when it is asked again. */
  readonly refusals: readonly {
    readonly scope: string;
    readonly code: string;
    readonly message: string;
    readonly sinceMs: number;
    readonly nextProbeInSeconds: number;
  }[];
  /** IAM actions that are not granted and would be of use: what their lack costs, and how to have them. */
  readonly missing: readonly { readonly action: string; readonly cost: string }[];
  /** Files waiting for another attempt after failures of their own, and the one that has failed most. */
  readonly retrying: { readonly files: number; readonly worst: UploadSummary | undefined };
  /** Messages for other components and the cloud that wait for their bus; absent where there is none. */
  readonly messages?:
    | {
        readonly stored: number;
        readonly dropped: number;
        /** Subscribed. */
        readonly topics: readonly string[];
        readonly problems: readonly string[];
      }
    | undefined;
  /** The daemon's own connection to AWS IoT; absent where it has none. */
  readonly mqtt?: MqttConnectionStatus | undefined;
  /** Sentences for a person, each ending with the next step. */
  readonly warnings: readonly string[];
}

export interface CredentialsStatus {
  /** In use, or asked first. */
  readonly source: string;
  readonly expiresInSeconds: number | undefined;
  /** All that are configured, in order of preference. */
  readonly sources: readonly {
    readonly source: string;
    readonly inUse: boolean;
    /** Why it gives none now; ends with the next step. */
    readonly code?: string;
    readonly reason?: string;
    readonly sinceMs?: number;
    readonly againInSeconds?: number;
  }[];
}

export interface MqttConnectionStatus {
  /** `off`: tried again within a day, because a person has to act first. */
  readonly state: 'connected' | 'connecting' | 'off';
  /** Why it is not connected. */
  readonly reason: string | undefined;
  readonly sinceMs: number;
  /** Topics that are not permitted, each with the next step. */
  readonly problems: readonly string[];
}

export interface ActiveUpload {
  readonly id: number;
  readonly path: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly sentBytes: number;
}

export interface UploadSummary {
  readonly id: number;
  readonly state: string;
  readonly path: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly failures: number;
  readonly outcome: string | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

export interface UploadDetails extends UploadSummary {
  readonly outbox: string;
  /** Of the spool; absent while the file lies in the outbox. */
  readonly batch: number | undefined;
  readonly note: string | undefined;
  readonly attempt: number;
  readonly mtime: string;
  readonly queuedAt: string;
  readonly concludedAt: string | undefined;
  readonly nextAttemptAt: string | undefined;
  readonly crc32: string | undefined;
  readonly multipartId: string | undefined;
  readonly parts: readonly {
    readonly number: number;
    readonly offset: number;
    readonly sizeBytes: number;
    readonly etag: string;
  }[];
}
