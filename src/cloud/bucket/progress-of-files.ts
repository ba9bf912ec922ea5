import { formatBytes } from '../../domain/format-bytes';
import type { LocalFile } from '../files/local-files';
import type { Screen } from '../screen';

/** How far all files of one command have come, in bytes. */
export class ProgressOfFiles {
  #before = 0;
  readonly #total: number;

  constructor(
    files: readonly LocalFile[],
    private readonly screen: Screen,
    private readonly verb: string,
  ) {
    this.#total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** @param doneBytes of this file */
  show({ name }: LocalFile, doneBytes: number): void {
    const done = this.#before + doneBytes;
    this.screen.showProgress(
      this.#total === 0 ? 1 : done / this.#total,
      `${formatBytes(done)} of ${formatBytes(this.#total)}  ${this.verb} ${name}`,
    );
  }

  end({ sizeBytes }: LocalFile): void {
    this.#before += sizeBytes;
  }
}
