import type { ContractRun } from './contract-run';
import { oddestKeys } from './odd-keys';
import { readText } from './read-object';
import { NEVER, StoreRun } from './store-run';

/** Out of the inbox: this very version, or none. */
export function describeInboxRemove(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());

  describe.each([
    ['by If-Match', true],
    ['by a look before', false],
  ])('%s', (way, heedsConditions) => {
    const folder = way.replaceAll(' ', '-');
    const store = () => s.inbox({ heedsConditions });

    test.each(oddestKeys(run))('%j', async (key) => {
      const etag = await s.place(key, key);
      await store().remove(key, etag, NEVER);
      expect(await store().find(key, NEVER)).toBeUndefined();
    });

    test('twice, and what was never there', async () => {
      const etag = await s.place(`${folder}/twice`, 'x');
      await store().remove(`${folder}/twice`, etag, NEVER);
      await store().remove(`${folder}/twice`, etag, NEVER);
      await store().remove(`${folder}/never`, etag, NEVER);
    });

    test('what was replaced meanwhile is OBJECT_CHANGED, and stays', async () => {
      const etag = await s.place(`${folder}/replaced`, 'first');
      await s.place(`${folder}/replaced`, 'other');
      const isIgnored = heedsConditions && run.deviates('delete-ignores-conditions');
      const removal = store().remove(`${folder}/replaced`, etag, NEVER);
      await s.expectCode(removal, isIgnored ? 'accepted' : 'OBJECT_CHANGED');
      if (isIgnored) expect(await store().find(`${folder}/replaced`, NEVER)).toBeUndefined();
      else expect(await readText(s.get(`${folder}/replaced`))).toBe('other');
    });
  });
}
