import type { ContractRun } from './contract-run';
import { readAll } from './inbox-calls';
import { oddestKeys } from './odd-keys';
import { NEVER, StoreRun } from './store-run';

const MANY = 1_003;
const AT_ONCE = 16;

/** What lies in the inbox, whatever it is called and however much it is. */
export function describeInboxListing(run: ContractRun): void {
  const s = new StoreRun(run);
  beforeAll(() => s.start());
  afterAll(() => s.stop());
  const list = (prefix: string) => readAll(s.inbox().list(prefix, NEVER));

  test('pages beyond 1,000 objects, each once', async () => {
    const keys = Array.from({ length: MANY }, (_, i) => `many/${i} +%.txt`);
    for (let i = 0; i < MANY; i += AT_ONCE)
      await Promise.all(keys.slice(i, i + AT_ONCE).map((key) => s.place(key, '')));
    const pages = await list('many/');
    expect(pages.map((page) => page.length)).toEqual([1_000, MANY - 1_000]);
    expect(
      pages
        .flat()
        .map(({ key }) => key)
        .sort(),
    ).toEqual(keys.sort());
  });

  test('odd keys come as they are, with ETag and size', async () => {
    const keys = oddestKeys(run).map((key) => `odd/${key}`);
    const placed = new Map<string, string>();
    for (const key of keys) placed.set(key, await s.place(key, key));
    const listed = (await list('odd/')).flat();
    expect(new Map(listed.map(({ key, etag }) => [key, etag]))).toEqual(placed);
    for (const { key, sizeBytes } of listed) expect([key, sizeBytes]).toEqual([key, Buffer.byteLength(key)]);
  });

  test.each(['odd prefix +%ü/', 'list//'])('under %j, and nothing beside it', async (prefix) => {
    await s.place(`${prefix}in`, 'x');
    await s.place(prefix.slice(0, -1), 'x');
    expect((await list(prefix)).flat().map(({ key }) => key)).toEqual([`${prefix}in`]);
  });

  test('nothing is one empty page', async () => {
    expect(await list('nobody/')).toEqual([[]]);
  });
}
