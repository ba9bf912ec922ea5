import type { StatusDocument, UploadSummary } from '../../src/control/protocol';
import type { DemoSite } from './demo-site';

type Ended = 'done' | 'failed';

/** Tells each upload that ended, once. They end in any order, so every id is remembered. */
export class DeliveryWatch {
  readonly #seen: Record<Ended, Set<number>> = { done: new Set(), failed: new Set() };

  constructor(private readonly site: Pick<DemoSite, 'uploads'>) {}

  /** Since the last call, in the order they were queued. */
  async next({ uploads }: StatusDocument): Promise<UploadSummary[]> {
    const ended = [...(await this.#unseen('done', uploads.done)), ...(await this.#unseen('failed', uploads.failed))];
    return ended.sort((a, b) => a.id - b.id);
  }

  async #unseen(state: Ended, count: number): Promise<UploadSummary[]> {
    const seen = this.#seen[state];
    const fresh: UploadSummary[] = [];
    let before: number | undefined;
    while (seen.size < count) {
      const page = await this.site.uploads(state, before);
      if (page.length === 0) break;
      before = page.at(-1)!.id;
      for (const upload of page) {
        if (seen.has(upload.id)) continue;
        seen.add(upload.id);
        fresh.push(upload);
      }
    }
    return fresh;
  }
}
