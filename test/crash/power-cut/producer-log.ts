import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * What the producer tells, a line each, outside the disk that loses its power. `begin` and `placing` come before the
 * deed and only say what may be; the others come after it.
 */
export type Said =
  | { readonly say: 'begin'; readonly id: number; readonly name: string; readonly seed: number; readonly bytes: number }
  | {
      readonly say: 'written';
      readonly id: number;
      readonly bytes: number;
      readonly sha256: string;
      readonly mtimeNs: string;
      readonly atMs: number;
    }
  /** Its name in the outbox, by rename or by creating it there. */
  | { readonly say: 'placing'; readonly id: number }
  | { readonly say: 'placed'; readonly id: number; readonly atMs: number }
  /** So many bytes, and the name, were synced by the producer itself. */
  | { readonly say: 'durable'; readonly id: number; readonly bytes: number };

export class ProducerLog {
  readonly #fd: number;

  constructor(file: string) {
    this.#fd = openSync(file, 'a');
  }

  say(said: Said): void {
    writeSync(this.#fd, `${JSON.stringify(said)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** While the producer is stopped: what it has told so far. */
  static read(file: string): Said[] {
    const text = readFileSync(file, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1); // it may have been stopped within a line
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Said);
  }
}
