import type { Log, LogFields, LogLevel } from '../../src/log';

export interface Noted extends LogFields {
  readonly level: LogLevel;
  readonly message: string;
}

/** Keeps every line. */
export function notedLog(): Log & { readonly lines: readonly Noted[]; said(message: string): Noted[] } {
  const lines: Noted[] = [];
  const at =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ ...fields, level, message });
  return {
    lines,
    said: (message) => lines.filter((line) => line.message === message),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
