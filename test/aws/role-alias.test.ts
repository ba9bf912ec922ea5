import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RoleAlias, type RoleAliasOptions } from '../../src/aws/credentials/role-alias';
import { LocalCloud, type LocalThing } from '../local-cloud/local-cloud';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { CertificateAuthority } from '../support/certificates';

describe('credentials of a role alias', () => {
  let dir: string;
  let cloud: LocalCloud;
  let thing: LocalThing;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'role-alias-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    cloud.createRoleAlias('courier', { policy: seedEPolicy('b') });
    thing = await cloud.createThing('device00');
  });
  afterAll(async () => {
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const role = (over: Partial<RoleAliasOptions> = {}): RoleAlias =>
    new RoleAlias({
      endpoint: cloud.credentialsEndpoint,
      alias: 'courier',
      certificateFile: thing.certificateFile,
      privateKeyFile: thing.privateKeyFile,
      caFile: cloud.caFile,
      thingName: 'device00',
      timeoutMs: 20_000,
      onServerDate: () => undefined,
      nowMs: () => Date.now(),
      knownNowMs: () => Date.now(),
      ...over,
    });
  const write = (name: string, text: string | Uint8Array): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };

  it.each(['', 'https://'])('are had from an endpoint written with "%s" before it', async (scheme) => {
    const { credentials, lifetimeMs } = await role({ endpoint: `${scheme}${cloud.credentialsEndpoint}` }).fetch();
    expect(credentials.sessionToken.length).toBeGreaterThan(500);
    expect(lifetimeMs / 1000).toBeCloseTo(3_600, -2);
  });

  it("count their lifetime by the issuer's clock", async () => {
    const { lifetimeMs } = await role({ nowMs: () => 0, knownNowMs: () => Date.now() }).fetch();
    expect(lifetimeMs / 1000).toBeCloseTo(3_600, -2);
  });

  it.each<[string, () => Promise<Partial<RoleAliasOptions>>, RegExp]>([
    ['an alias nobody knows', async () => ({ alias: 'nobody' }), /there is no role alias "nobody" .*create-role-alias/],
    [
      "another thing's name",
      async () => ({ thingName: 'device01' }),
      /does not belong to the thing device01 .*aws iot attach-thing-principal/,
    ],
    [
      'a missing certificate',
      async () => ({ certificateFile: '/nowhere.pem' }),
      /cannot read the device certificate \/nowhere\.pem \(ENOENT\); check the path/,
    ],
    [
      'garbage for a certificate',
      async () => ({ certificateFile: write('bad.pem', 'garbage') }),
      /not usable PEM .*copy them again/,
    ],
    [
      'the CA of somebody else',
      async () => ({
        caFile: write('ca.pem', (await CertificateAuthority.create('other')).pem.certificatePem),
      }),
      /does not prove who it is .*credentials\.roleAlias\.caFile/,
    ],
    [
      "no CA but the system's",
      async () => ({ caFile: undefined }),
      /does not prove who it is by the CA certificates Node.js brings along/,
    ],
    [
      'a key of another certificate',
      async () => ({
        privateKeyFile: write('other.key', (await cloud.issueDeviceCertificate({ commonName: 'x' })).privateKeyPem),
      }),
      /does not belong to the certificate .*copy the pair again/,
    ],
    [
      'an expired certificate',
      async () => {
        const pair = await cloud.issueDeviceCertificate({
          commonName: 'old',
          notAfter: new Date(Date.now() - 86_400_000),
        });
        return {
          certificateFile: write('old.pem', pair.certificatePem),
          privateKeyFile: write('old.key', pair.privateKeyPem),
        };
      },
      /certificate .*old\.pem expired on .*put a new one in its place/,
    ],
    [
      'a certificate that is not registered',
      async () => {
        const pair = await cloud.issueDeviceCertificate({ commonName: 'new' });
        return {
          certificateFile: write('new.pem', pair.certificatePem),
          privateKeyFile: write('new.key', pair.privateKeyPem),
        };
      },
      /refuses the certificate .*check that it is active/,
    ],
  ])('%s: refused, with the next step', async (_, over, message) => {
    await expect(role(await over()).fetch()).rejects.toMatchObject({
      code: 'CREDENTIALS_REFUSED',
      message: expect.stringMatching(message) as string,
    });
  });

  it('nobody there: unreachable, which is not refused', async () => {
    await expect(role({ endpoint: 'localhost:9' }).fetch()).rejects.toMatchObject({
      code: 'CREDENTIALS_UNREACHABLE',
      message: expect.stringMatching(/ECONNREFUSED/) as string,
    });
  });

  it('a revoked certificate is refused', async () => {
    const other = await cloud.createThing('device02');
    cloud.revoke(other.certificateId);
    await expect(role({ ...other, thingName: 'device02' }).fetch()).rejects.toMatchObject({
      code: 'CREDENTIALS_REFUSED',
    });
  });

  it('a key that others can read is warned about, with the command', () => {
    const key = join(dir, 'open.key');
    copyFileSync(thing.privateKeyFile, key);
    chmodSync(key, 0o644);
    expect(role({ privateKeyFile: key }).findWarnings()).toEqual([
      expect.stringMatching(/mode 0644\); run: chmod 0600 .*open\.key/),
    ]);
    expect(role().findWarnings()).toEqual([]);
  });
});
