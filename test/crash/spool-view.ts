import { EventEmitter, once } from 'node:events';
import { existsSync, type FSWatcher, lstatSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

export type SpoolChange = 'batch' | 'removal';

/** The spool as it lies on disk, seen from outside the daemon that fills and empties it. */
export class SpoolView {
  readonly #events = new EventEmitter().setMaxListeners(0);
  #watchers: FSWatcher[] = [];

  constructor(readonly folder: string) {}

  /** Everything below it, folders too; absolute. What goes meanwhile may be missing. */
  entries(folder = this.folder): string[] {
    return namesIn(folder).flatMap((name) => {
      const entry = join(folder, name);
      return [entry, ...this.entries(entry)];
    });
  }

  /** Of its files, Unix seconds. */
  mtimes(): number[] {
    return this.entries().flatMap((entry) => {
      const stats = lstatSync(entry, { throwIfNoEntry: false });
      return stats?.isFile() ? [stats.mtimeMs / 1_000] : [];
    });
  }

  /** Listens from now on, until `unwatch`. */
  watch(): void {
    this.#listen(this.folder, true);
    for (const name of namesIn(this.folder)) this.#listen(join(this.folder, name), false);
  }

  unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  /** Resolves at the `count`-th from now on: a batch folder made, or something removed. */
  async changed(change: SpoolChange, count: number): Promise<void> {
    for (let left = count; left > 0; left--) await once(this.#events, change);
  }

  #listen(folder: string, isRoot: boolean): void {
    let watcher: FSWatcher;
    try {
      watcher = watch(folder, (_, name) => {
        if (name === null || name.startsWith('.')) return;
        const entry = join(folder, name);
        if (!existsSync(entry)) this.#events.emit('removal' satisfies SpoolChange);
        else if (isRoot) {
          this.#listen(entry, false);
          this.#events.emit('batch' satisfies SpoolChange);
        }
      });
    } catch {
      return; // gone already
    }
    watcher.on('error', () => undefined);
    this.#watchers.push(watcher);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
