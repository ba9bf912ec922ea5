import { parseToken } from '../../src/aws/credentials/parse-token';
import { findShadowToken } from '../../src/aws/credentials/shadow-token';

const NOW_MS = Date.UTC(2026, 5, 1);
const HOUR_MS = 3_600_000;
const TOKEN = { AccessKeyId: 'ASIA0123456789ABCDEF', SecretAccessKey: 's'.repeat(40), SessionToken: 't'.repeat(900) };
const KNOWN = { nowMs: 0, knownNowMs: NOW_MS };
const UNKNOWN = { nowMs: NOW_MS, knownNowMs: undefined };
const parse = (body: unknown, times: Parameters<typeof parseToken>[1] = KNOWN) =>
  parseToken(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), times);

describe('a token in a message', () => {
  it.each([
    [undefined, HOUR_MS],
    [new Date(NOW_MS + 900_000).toISOString(), 900_000],
    [NOW_MS + 900_000, 900_000],
    [(NOW_MS + 900_000) / 1000, 900_000],
    [new Date(NOW_MS + 100 * HOUR_MS).toISOString(), 12 * HOUR_MS],
  ])('that ends at %s is good for %i ms by the time the cloud has told', (Expiration, lifetimeMs) => {
    expect(parse({ ...TOKEN, Expiration })).toEqual({
      kind: 'token',
      fresh: {
        credentials: {
          accessKeyId: TOKEN.AccessKeyId,
          secretAccessKey: TOKEN.SecretAccessKey,
          sessionToken: TOKEN.SessionToken,
        },
        lifetimeMs,
      },
    });
  });

  it('that is over is told to be, where the time is known; else S3 is to say so', () => {
    const over = { ...TOKEN, Expiration: new Date(NOW_MS - 1).toISOString() };
    expect(parse(over)).toMatchObject({ kind: 'expired' });
    expect(parse(over, UNKNOWN)).toMatchObject({ kind: 'token', fresh: { lifetimeMs: HOUR_MS } });
    expect(parse({ ...TOKEN, Expiration: new Date(NOW_MS + 5_000).toISOString() }, UNKNOWN)).toMatchObject({
      fresh: { lifetimeMs: 5_000 },
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /no JSON/],
    ['a list', '[]', /without a usable an object/],
    ['null', 'null', /without a usable/],
    ['no secret', { ...TOKEN, SecretAccessKey: undefined }, /without a usable SecretAccessKey$/],
    ['a header in the token', { ...TOKEN, SessionToken: 'a\r\nx: y' }, /without a usable SessionToken$/],
    ['an endless token', { ...TOKEN, SessionToken: 't'.repeat(20_000) }, /without a usable SessionToken$/],
    ['a message without end', 'x'.repeat(40_000), /40000 bytes/],
    ['no time', { ...TOKEN, Expiration: 'soon' }, /with an Expiration that is no time/],
    ['a number as key', { ...TOKEN, AccessKeyId: 5 }, /without a usable AccessKeyId/],
  ])('with %s is none, and no word of it is told', (_, body, problem) => {
    const parsed = parse(body);
    expect(parsed).toEqual({ kind: 'unusable', problem: expect.stringMatching(problem) as string });
    expect(JSON.stringify(parsed)).not.toMatch(/s{40}|t{40}/);
  });

  it('a refusal is told in its own words, cut', () => {
    expect(parse({ error: `no\n${'x'.repeat(500)}`, requestId: '7' })).toEqual({
      kind: 'refused',
      reason: `no ${'x'.repeat(197)}`,
      requestId: '7',
    });
  });
});

describe('a token in a shadow', () => {
  const find = (body: unknown) => findShadowToken(Buffer.from(JSON.stringify(body)), KNOWN);

  it.each([
    { state: { desired: TOKEN } },
    { state: { desired: { token: TOKEN, other: 1 } } },
    { state: { token: TOKEN } },
    { state: TOKEN },
  ])('is found in %j', (body) => {
    expect(find(body)).toMatchObject({ kind: 'token' });
  });

  it.each([
    {},
    { state: null },
    { state: { desired: { colour: 'blue' } } },
    { state: { reported: { token: TOKEN }, desired: {} } },
    7,
  ])('is not found in %j', (body) => {
    expect(find(body)).toBeUndefined();
  });
});
