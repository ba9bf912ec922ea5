import { rename } from 'node:fs';

export interface Rename {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** Under way at a time: enough to keep the pool at work while this thread is, and few enough to let others have their turn. */
const MAX_OPEN = 256;

/**
 * In the thread pool, which costs this thread a tenth of what it takes the kernel: between two folders a rename is the
 * dearest step of a claim. In any order.
 * @returns what was refused, by its place in the list
 */
export function renameAll(renames: readonly Rename[]): Promise<ReadonlyMap<number, NodeJS.ErrnoException>> {
  return new Promise((resolve) => {
    const refused = new Map<number, NodeJS.ErrnoException>();
    let next = 0;
    let open = 0;
    const goOn = (): void => {
      for (; open < MAX_OPEN && next < renames.length; next += 1) {
        const at = next;
        const { from, to } = renames[at]!;
        open += 1;
        rename(from, to, (error) => {
          open -= 1;
          if (error !== null) refused.set(at, error);
          goOn();
        });
      }
      if (open === 0) resolve(refused);
    };
    goOn();
  });
}
