import { SEED_RUNS } from './seed-runs';
import { SeedSite } from './seed-site';

/** Each how-to followed by the component itself, by exactly the policies of the how-to, and by the template's. */
describe('what the account grants', () => {
  let site: SeedSite;
  afterEach(() => site.end());

  it.each(SEED_RUNS)('seed $seed, $kind: $does', async ({ seed, kind, act, calls }) => {
    site = await SeedSite.create(seed, kind);
    await act(site);
    expect(site.calls).toEqual({ passes: [...calls.passes].sort(), isDenied: [...calls.isDenied].sort() });
  });
});
