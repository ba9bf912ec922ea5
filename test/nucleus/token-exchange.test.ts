import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenExchange } from '../../src/aws/credentials/token-exchange';
import { LocalCloud } from '../local-cloud/local-cloud';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { type AskCloud, cloudCredentials } from '../support/nucleus/cloud-credentials';
import type { NucleusKind } from '../support/nucleus/switches';
import { TokenExchangeEndpoint } from '../support/nucleus/token-exchange-endpoint';
import { until } from '../support/until';
import { NucleusSite } from './nucleus-site';

const HOUR_MS = 3_600_000;
const TOKEN = 'AAAAAAAAAAAAAAAA';

let nowMs = Date.UTC(2026, 0, 1);
let endpoint: TokenExchangeEndpoint;

async function start(kind: NucleusKind, askCloud: AskCloud): Promise<void> {
  endpoint = new TokenExchangeEndpoint(
    kind,
    (token) => token === TOKEN,
    askCloud,
    () => nowMs,
  );
  await endpoint.start();
}
afterEach(() => endpoint?.stop());

const credentialsFor = (lifetimeMs: number): AskCloud => {
  let issued = 0;
  return async () => {
    const credentials = {
      accessKeyId: `key-${++issued}`,
      secretAccessKey: 's',
      sessionToken: 't',
      expiration: new Date(nowMs + lifetimeMs).toISOString(),
    };
    return { status: 200, body: JSON.stringify({ credentials }) };
  };
};

const ask = async (authorization?: string, path = ''): Promise<[status: number, body: string]> => {
  const response = await fetch(endpoint.uri + path, { headers: authorization === undefined ? {} : { authorization } });
  return [response.status, await response.text()];
};

const keyId = async (): Promise<unknown> => JSON.parse((await ask(TOKEN))[1]).AccessKeyId;

describe('classic', () => {
  it('has nothing to say to strangers', async () => {
    await start('classic', credentialsFor(HOUR_MS));
    expect(await ask()).toEqual([403, '']);
    expect(await ask('BBBBBBBBBBBBBBBB')).toEqual([403, '']);
    expect(await ask(TOKEN, 'more')).toEqual([400, '']);
    expect(endpoint.asked).toBe(0);
  });

  it('gives the same credentials until five minutes before they expire', async () => {
    await start('classic', credentialsFor(HOUR_MS));
    expect(await keyId()).toBe('key-1');
    nowMs += HOUR_MS - 300_001;
    expect(await keyId()).toBe('key-1');
    nowMs += 1;
    expect(await keyId()).toBe('key-2');
    endpoint.forget();
    expect(await keyId()).toBe('key-3');
  });

  it.each([
    [403, 120_000, 403],
    [503, 60_000, 503],
    [302, 300_000, 302],
    [undefined, 300_000, 500],
  ])('keeps an answer %s of the cloud for %i ms', async (fromCloud, keptMs, status) => {
    let isBad = true;
    const good = credentialsFor(HOUR_MS);
    await start('classic', async () => {
      if (!isBad) return good();
      if (fromCloud === undefined) throw new Error('no network');
      return { status: fromCloud, body: '{"message":"no"}' };
    });
    expect((await ask(TOKEN))[0]).toBe(status);
    isBad = false;
    nowMs += keptMs - 1;
    expect((await ask(TOKEN))[0]).toBe(status);
    nowMs += 1;
    expect((await ask(TOKEN))[0]).toBe(200);
    expect(endpoint.answered).toEqual([status, status, 200]);
  });

  it('lets a second request wait for the first, but not for ever', async () => {
    let answer = (): void => undefined;
    const good = credentialsFor(HOUR_MS);
    await start('classic', async () => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return good();
    });
    endpoint.cacheTimes.waitMs = 10;
    const first = ask(TOKEN);
    await until('the cloud is asked', () => endpoint.asked === 1);
    expect(await Promise.race([first, ask(TOKEN)])).toEqual([504, '']);
    answer();
    expect((await first)[0]).toBe(200);
    expect(endpoint.asked).toBe(1);
  });
});

describe('lite', () => {
  it('tells strangers what is wrong', async () => {
    await start('lite', credentialsFor(HOUR_MS));
    expect((await ask())[0]).toBe(400);
    expect((await ask('short'))[0]).toBe(400);
    expect((await ask('BBBBBBBBBBBBBBBB'))[0]).toBe(404);
  });

  it('asks the cloud each time, and calls it HTML', async () => {
    await start('lite', credentialsFor(HOUR_MS));
    expect([await keyId(), await keyId()]).toEqual(['key-1', 'key-2']);
    const { headers } = await fetch(endpoint.uri, { headers: { authorization: TOKEN } });
    expect(headers.get('content-type')).toContain('text/html');
  });

  it.each([
    ['refuses', async () => ({ status: 403, body: '{"message":"Access Denied"}' })],
    ['is away', () => Promise.reject(new Error('no network'))],
  ])('says yes and gives null where the cloud %s', async (_what, askCloud: AskCloud) => {
    await start('lite', askCloud);
    expect(await ask(TOKEN)).toEqual([200, 'null']);
  });
});

it.each(['classic', 'lite'] as const)('%s hands out what the local cloud issues', async (kind) => {
  const dir = mkdtempSync(join(tmpdir(), 'courier-'));
  const cloud = await LocalCloud.start({ dir });
  let site: NucleusSite | undefined;
  try {
    cloud.createRoleAlias('courier', { policy: seedEPolicy('fleet-bucket') });
    const thing = await cloud.createThing('device00');
    const askCloud = cloudCredentials({
      endpoint: cloud.credentialsEndpoint,
      alias: 'courier',
      caFile: cloud.caFile,
      thing,
    });
    site = await NucleusSite.start({ kind, askCloud });
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization } =
      site.nucleus.env();
    const exchange = (token: string) =>
      new TokenExchange({ uri: uri!, authorization: token, timeoutMs: 20_000, nowMs: Date.now }).fetch();
    const { credentials, lifetimeMs } = await exchange(authorization!);
    expect(credentials.accessKeyId).toMatch(/^ASIA/);
    expect(lifetimeMs).toBeGreaterThan(HOUR_MS - 60_000);
    await expect(exchange('BBBBBBBBBBBBBBBB')).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
    // The token is the one of IPC, and shares its fate.
    site.nucleus.ipc.restartDaemon();
    await expect(exchange(authorization!)).rejects.toMatchObject({ code: 'CREDENTIALS_REFUSED' });
  } finally {
    await site?.end();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
