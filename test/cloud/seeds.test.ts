import { SEED_RUNS, tableOf } from './seed-runs';
import { SeedSite } from './seed-site';

/** Each how-to followed by the component itself, by exactly the policies of the how-to, and by the template's. */
describe('what the account grants', () => {
  let site: SeedSite | undefined;
  afterEach(async () => {
    await site?.end();
    site = undefined;
  });

  it.each(SEED_RUNS)('seed $seed, $kind: $does', async (run) => {
    site = await SeedSite.create(run.seed, run.kind);
    await run.act(site);
    expect(site.calls).toEqual(tableOf(run, 'hidden'));
  });
});
