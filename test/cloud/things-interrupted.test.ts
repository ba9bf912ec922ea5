import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Cut, InterruptingProxy } from './interrupting-proxy';
import { OperatorSite } from './operator-site';

/** All requests of the rarer commands too. */
const STRIDE = process.env.CRASH_FULL === '1' ? 1 : 3;

/** SIGKILL before and after each request, then the same command again: as if nothing had been. */
describe('courier cloud thing, killed at every request', () => {
  let site: OperatorSite;
  beforeAll(async () => {
    site = await OperatorSite.start();
  });
  afterAll(() => site.end());

  const registry = () => site.cloud.registry;
  const certificates = (thing: string) =>
    registry()
      .principals(thing)
      .map((arn) => arn.slice(arn.lastIndexOf('/') + 1));
  const idOf = (pem: string): string => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
  const spki = { type: 'spki', format: 'der' } as const;

  /** @returns whether it was cut off, or came to its end before */
  const cutOff = async (args: readonly string[], nth: number, cut: Cut): Promise<boolean> => {
    const proxy = await InterruptingProxy.start(site.endpointUrl, nth, cut);
    try {
      const { status } = await site.run(args, { endpointUrl: proxy.url, kill: proxy.held });
      if (status !== undefined) expect(status).toBe(0);
      return status === undefined;
    } finally {
      await proxy.stop();
    }
  };

  /** At each request, or every third, of it, with a thing of its own. @returns how many requests it makes */
  const atEachRequest = async (
    cut: Cut,
    prepare: (thing: string) => Promise<void>,
    command: (thing: string) => readonly string[],
    check: (thing: string) => void,
    stride = 1,
  ): Promise<number> => {
    for (let nth = 1; ; nth += stride) {
      const thing = `${command('x')[1]}-${cut}-${nth}`;
      await prepare(thing);
      const wasCut = await cutOff(command(thing), nth, cut);
      const { status, stderr } = await site.run(command(thing));
      expect({ status, stderr, nth }).toEqual({ status: 0, stderr: '', nth });
      check(thing);
      if (!wasCut) return nth - stride;
    }
  };

  const fits = (thing: string, folder: string): void => {
    const certificate = new X509Certificate(site.read(`${folder}/certificate.pem`));
    const key = createPublicKey(createPrivateKey(site.read(`${folder}/private.key`))).export(spki);
    expect(certificate.publicKey.export(spki).equals(key)).toBe(true);
    const arn = registry().arn(idOf(site.read(`${folder}/certificate.pem`)));
    expect(registry().principals(thing)).toContain(arn);
    expect(registry().policiesOf(arn)).toEqual(['courier-thing']);
  };
  const unprepared = async (): Promise<void> => undefined;
  const added = async (thing: string): Promise<void> => {
    expect((await site.run(['thing', 'add', thing])).status).toBe(0);
  };

  it.each<Cut>(['before', 'after'])('add: one certificate (cut %s)', async (cut) => {
    const before = registry().certificates().length;
    let things = 0;
    const calls = await atEachRequest(
      cut,
      unprepared,
      (thing) => ['thing', 'add', thing],
      (thing) => {
        things += 1;
        fits(thing, thing);
        expect(certificates(thing)).toHaveLength(1);
        expect(registry().certificates()).toHaveLength(before + things);
        expect(site.list(thing)).toHaveLength(5);
      },
    );
    expect(calls).toBeGreaterThanOrEqual(9);
  });

  it('add, one request further with each kill', async () => {
    const before = registry().certificates().length;
    let kills = 0;
    for (let nth = 1; await cutOff(['thing', 'add', 'slow'], nth, 'after'); nth++) kills += 1;
    expect(kills).toBeGreaterThanOrEqual(9);
    fits('slow', 'slow');
    expect(registry().certificates()).toHaveLength(before + 1);
  });

  it('rotate: one more', async () => {
    const calls = await atEachRequest(
      'after',
      added,
      (thing) => ['thing', 'rotate', thing],
      (thing) => {
        fits(thing, thing);
        fits(thing, `${thing}.former`);
        expect(certificates(thing)).toHaveLength(2);
        expect(existsSync(join(site.dir, `${thing}.next`))).toBe(false);
      },
      STRIDE,
    );
    expect(calls).toBeGreaterThanOrEqual(9);
  });

  it('rm: none is left, but for a moment that tells its id', async () => {
    const before = new Set(registry().certificates());
    const left: string[] = [];
    const calls = await atEachRequest(
      'after',
      added,
      (thing) => ['thing', 'rm', thing],
      (thing) => {
        expect(registry().things()).not.toContain(thing);
        left.push(
          ...registry()
            .certificates()
            .filter((id) => !before.has(id) && !left.includes(id)),
        );
      },
      STRIDE,
    );
    expect(calls).toBeGreaterThanOrEqual(7);
    // Cut off between detaching and deleting: told before, out of use, without rights.
    expect(left.length).toBeLessThanOrEqual(1);
    for (const id of left) {
      expect(registry().certificate(id).status).toBe('INACTIVE');
      expect(registry().policiesOf(registry().arn(id))).toEqual([]);
    }
  });
});
