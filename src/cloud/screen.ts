/** As of process.stdout. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR = '\r\u001b[K';
const USUAL_COLUMNS = 80;
const BAR_CELLS = 24;

/** What the operator reads: lines that stay, and on a terminal one below them that each next one replaces. */
export class Screen {
  #isShowing = false;
  #noted = '';

  constructor(private readonly output: Output) {}

  readonly say = (text: string): void => {
    this.clear();
    this.output.write(text.endsWith('\n') ? text : `${text}\n`);
  };

  /** The same for those who wait long: where lines cannot be replaced, one that stays for each change. */
  showState(share: number, text: string): void {
    if (this.output.isTTY === true) this.showProgress(share, text);
    else if (text !== this.#noted) this.say(text);
    this.#noted = text;
  }

  /** The last state stays, also where others have replaced it. */
  settle(): void {
    if (this.output.isTTY === true && this.#noted !== '') this.say(this.#noted);
    this.#noted = '';
  }

  /** Nothing where lines cannot be replaced. @param share from 0 to 1 */
  showProgress(share: number, text: string): void {
    if (this.output.isTTY !== true) return;
    const columns = this.output.columns || USUAL_COLUMNS; // some terminals say 0
    this.output.write(CLEAR + progressLine(share, text, columns));
    this.#isShowing = true;
  }

  clear(): void {
    if (this.#isShowing) this.output.write(CLEAR);
    this.#isShowing = false;
  }
}

/** One column less than there are: some terminals wrap in the last. */
export function progressLine(share: number, text: string, columns: number): string {
  const known = Math.min(1, Math.max(0, share));
  const full = Math.floor(known * BAR_CELLS);
  const line = `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}] ${String(Math.floor(known * 100)).padStart(3)} %  ${text}`;
  return line.slice(0, Math.max(0, columns - 1));
}
