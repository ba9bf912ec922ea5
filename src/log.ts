export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** The vocabulary of fields: a line can be searched by them for years. */
export interface LogFields {
  readonly id?: number;
  readonly job?: string;
  readonly path?: string;
  readonly key?: string;
  readonly prefix?: string;
  readonly topic?: string;
  readonly part?: number;
  readonly sizeBytes?: number;
  readonly ms?: number;
  readonly attempt?: number;
  readonly code?: string;
  readonly reason?: string;
  readonly count?: number;
  readonly file?: string;
  readonly seconds?: number;
  readonly source?: string;
  readonly version?: string;
}

/**
 * One JSON object a line. error: a person must act; warn: an attempt failed, we heal; info: a step of a life cycle;
 * debug: per part. Never a token, a signed URL or file content.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLog(write: (line: string) => void, level: LogLevel, nowMs: () => number): Log {
  const at =
    (name: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (RANK[name] < RANK[level]) return;
      write(`${JSON.stringify({ ...fields, level: name, at: new Date(nowMs()).toISOString(), message })}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
