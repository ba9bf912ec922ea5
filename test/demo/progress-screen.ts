import type { WriteStream } from 'node:tty';
import type { StatusDocument } from '../../src/control/protocol';
import { type Baseline, progressLines, progressSentence } from './progress-lines';

const PLAIN_EVERY_MS = 1_000;
const MAX_BARS = 12;
/** A name may be wider on this terminal than we think; the bars keep to their lines nevertheless. */
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';

/** Lines that stay, and below them, on a terminal, bars that are redrawn in place; elsewhere a plain line now and then. */
export class ProgressScreen {
  #drawnLines = 0;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #saidLast: string | undefined;

  constructor(private readonly stream: NodeJS.WritableStream & Partial<WriteStream>) {}

  /** How often it is worth looking. */
  get frameMs(): number {
    return this.stream.isTTY ? 60 : 150;
  }

  say(text = ''): void {
    this.clear();
    this.stream.write(`${text}\n`);
  }

  show(status: StatusDocument, since: Baseline): void {
    if (this.stream.isTTY) this.#redraw(status, since);
    else this.#sayNowAndThen(status, since);
  }

  /** Takes the bars away. */
  clear(): void {
    if (this.#drawnLines > 0) this.stream.write(this.#toTop());
    this.#drawnLines = 0;
  }

  #redraw(status: StatusDocument, since: Baseline): void {
    // Not into the last column: some terminals wrap there. Some know no size: 0.
    const columns = (this.stream.columns || 80) - 1;
    const lines = progressLines(status, since, columns, Math.min(MAX_BARS, (this.stream.rows || 24) - 1));
    if (lines.length > 0 || this.#drawnLines > 0)
      this.stream.write(`${this.#toTop()}${NO_WRAP}${lines.map((line) => `${line}\n`).join('')}${WRAP}`);
    this.#drawnLines = lines.length;
  }

  #sayNowAndThen(status: StatusDocument, since: Baseline): void {
    const sentence = progressSentence(status, since);
    const nowMs = performance.now();
    if (sentence === undefined || sentence === this.#saidLast || nowMs - this.#saidAtMs < PLAIN_EVERY_MS) return;
    this.#saidAtMs = nowMs;
    this.#saidLast = sentence;
    this.say(sentence);
  }

  /** Cursor to the first drawn line, and nothing below it. */
  #toTop(): string {
    return `${this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : ''}\r\u001b[J`;
  }
}
