import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { systemClock } from '../../src/clock';
import { Component, type Edge } from '../../src/component';
import { parseConfig } from '../../src/config/load-config';
import type { PolicyDocument } from '../engines/engine';
import { Radosgw, radosgw } from '../engines/radosgw';
import { seedAPolicy, seedBRolePolicy, seedCPolicy, seedEPolicy } from '../local-cloud/seed-policies';
import { notedLog } from '../support/noted-log';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const THING = 'device00';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const missing = radosgw.findMissing();
if (missing !== undefined) process.stderr.write(`inbox on radosgw skipped: ${missing}\n`);

/** The way down against a real engine: session policies that it enforces, tokens that really expire. */
(missing === undefined ? describe : describe.skip)('radosgw', () => {
  let engine: Radosgw;
  let exchange: Server;
  let bucket: string;
  let policy: PolicyDocument;
  let tokens = 0;
  let dir: string;
  let owner: S3Client;
  let component: Component | undefined;
  let log = notedLog();

  beforeAll(async () => {
    engine = await Radosgw.start();
    // In the place of the nucleus's token exchange: tokens of the seed's role, 6 s each.
    exchange = createServer((_, response) => {
      tokens += 1;
      keysFor(policy, 6).then(
        ({ accessKeyId, secretAccessKey, sessionToken, expiration }) => {
          const keys = { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken };
          response.end(JSON.stringify({ ...keys, Expiration: expiration.toISOString() }));
        },
        () => response.destroy(), // the gateway is down
      );
    });
    await new Promise<void>((done) => exchange.listen(0, '127.0.0.1', done));
  });
  afterAll(async () => {
    exchange.close();
    await engine.stop();
  });
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rgw-inbox-'));
    bucket = `inbox-${randomBytes(4).toString('hex')}`;
    await engine.createBucket(bucket);
    // An object belongs to who wrote it: to the role, then.
    const credentials = await keysFor(seedBRolePolicy(bucket) as PolicyDocument, 900);
    const { plainEndpoint: endpoint, region } = engine;
    owner = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
    log = notedLog();
  });
  afterEach(async () => {
    await component?.stop();
    component = undefined;
    owner.destroy();
    rmSync(dir, { recursive: true, force: true });
  });

  const keysFor = (allowed: PolicyDocument, seconds: number) =>
    engine.issueKeys({ policy: allowed, variables: { 'credentials-iot:ThingName': THING }, seconds });

  const put = (Key: string, content: string | Buffer, more: object = {}) =>
    owner.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.from(content), ...more }));

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await owner.send(new ListObjectsV2Command({ Bucket: bucket }));
    return Contents.map(({ Key }) => Key!);
  }

  async function content(Key: string): Promise<Buffer> {
    const { Body } = await owner.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return Buffer.from(await Body!.transformToByteArray());
  }

  const landed = (path: string): Buffer => readFileSync(join(dir, 'inbox', path));

  async function start(inbox: object = {}, edge: Pick<Edge, 'wrapInbox'> = {}): Promise<Component> {
    const { endpoint, region, caFile } = engine;
    const config = parseConfig(
      {
        thing: { name: THING },
        s3: { bucket, endpoint, region, pathStyle: true, caFile },
        credentials: { source: 'token-exchange' },
        outboxes: [],
        inbox: { dir: join(dir, 'inbox'), pollMinutes: 0, ...inbox },
        upload: { retryMaxSeconds: 1, probeMaxSeconds: 1, stallSeconds: 2 },
        state: { dir: join(dir, 'state') },
      },
      {},
    );
    component = new Component(config, {
      tokenExchange: { uri: `http://127.0.0.1:${(exchange.address() as AddressInfo).port}/`, authorization: 'token' },
      clock: systemClock,
      dice: Math.random,
      log,
      ...edge,
    });
    return component.start((error) => {
      throw error;
    });
  }

  const settled = (running: Component, withinMs?: number) =>
    until(
      'the inbox is settled',
      () => running.status().inbox?.open === 0 && running.status().inbox?.lastLookAtMs !== undefined,
      () => ({ status: running.status(), logs: log.lines.slice(-10) }),
      withinMs,
    );

  const refusals = () => log.lines.filter(({ code }) => code === 'ACCESS_DENIED');

  it('seed E: all sizes and names come down and move, through stops and tokens that live 6 s', async () => {
    policy = seedEPolicy(bucket) as PolicyDocument;
    const files = new Map<string, Buffer>([
      ['zero', Buffer.alloc(0)],
      ['plus + % & # ü 😀.txt', randomBytes(10)],
      ['deep/er/40mib.bin', randomBytes(40 * MIB)],
    ]);
    for (let i = 0; i < 60; i++) files.set(`many/${i}`, randomBytes(2_000));
    for (const [path, bytes] of files) await put(`${THING}/inbox/${path}`, bytes);
    await put('device01/inbox/not-ours', 'x');
    const before = tokens;
    for (let stops = 1; stops <= 3; stops++) {
      const running = await start();
      await until('some more', () => log.said('archived').length >= stops * 10);
      await running.stop();
    }
    await engine.kill9Gateway();
    const running = await start();
    await engine.startGateway();
    await until('all archived', async () => (await keys()).every((key) => !key.startsWith(`${THING}/inbox/`)));
    await settled(running);
    for (const [path, bytes] of files) {
      expect([path, sha256(landed(path))]).toEqual([path, sha256(bytes)]);
      expect([path, sha256(await content(`${THING}/archive/${path}`))]).toEqual([path, sha256(bytes)]);
    }
    expect(await keys()).toHaveLength(files.size + 1);
    expect(tokens - before).toBeGreaterThanOrEqual(4);
    expect(refusals()).toEqual([]);
  });

  it("seed E: another thing's object is a real AccessDenied, as one that is missing; told once, and holds up no other", async () => {
    policy = seedEPolicy(bucket) as PolicyDocument;
    await put('device01/inbox/secret', 'x');
    const running = await start({ allowedPrefixes: [''] });
    await running.pull(['device01/inbox/secret']);
    const said = () => log.said('an object is not there, or denied; it is looked for now and then');
    await until('refused', () => said().length > 0);
    await put(`${THING}/inbox/mine`, 'mine');
    await running.pull([]);
    await until('mine', async () => (await keys()).includes(`${THING}/archive/mine`));
    expect(existsSync(join(dir, 'inbox/secret'))).toBe(false);
    expect(await keys()).toContain('device01/inbox/secret');
    expect(said()).toHaveLength(1);
    expect(said()[0]?.reason).toMatch(/denies s3:GetObject/);
    expect(refusals()).toEqual([]);
  });

  it('seed A: one file of a prefix, moved to another', async () => {
    policy = seedAPolicy(bucket) as PolicyDocument;
    await put('swx-test-a/test.txt', 'seed A', { Tagging: 'a=b', Metadata: { mode: '640' } });
    await put('swx-test-a/other.txt', 'left alone');
    const running = await start({ prefix: 'swx-test-a', archivePrefix: 'swx-test-b', only: 'test.txt' });
    await until('moved', async () => (await keys()).includes('swx-test-b/test.txt'));
    await settled(running);
    expect(landed('test.txt').toString()).toBe('seed A');
    expect((await content('swx-test-b/test.txt')).toString()).toBe('seed A');
    expect(await keys()).toEqual(['swx-test-a/other.txt', 'swx-test-b/test.txt']);
    expect(refusals()).toEqual([]);
  });

  it('seed A: what is replaced between landing and copying comes down too, though the gateway heeds no condition', async () => {
    policy = seedAPolicy(bucket) as PolicyDocument;
    await put(`${THING}/inbox/a.txt`, 'one');
    let copies = 0;
    const running = await start(
      {},
      {
        wrapInbox: (store) => ({
          list: (...args) => store.list(...args),
          find: (...args) => store.find(...args),
          findOther: (...args) => store.findOther(...args),
          file: (key) => store.file(key),
          copy: async (...args) => {
            if (++copies === 1) await put(`${THING}/inbox/a.txt`, 'another');
            return store.copy(...args);
          },
          remove: (...args) => store.remove(...args),
        }),
      },
    );
    await until('archived', async () => (await keys()).join() === `${THING}/archive/a.txt`);
    await settled(running);
    expect(landed('a.txt').toString()).toBe('another');
    expect((await content(`${THING}/archive/a.txt`)).toString()).toBe('another');
  });

  it('seed C: a key at the root, GetObject alone, each version once', async () => {
    policy = seedCPolicy(bucket) as PolicyDocument;
    await put('hoge.txt', 'one');
    const running = await start({ keys: ['hoge.txt'], pollMinutes: 0.001 });
    await until('landed', () => existsSync(join(dir, 'inbox/hoge.txt')));
    await settled(running);
    expect(landed('hoge.txt').toString()).toBe('one');
    const lookedAtMs = running.status().inbox!.lastLookAtMs!;
    await until('looked again', () => running.status().inbox!.lastLookAtMs! > lookedAtMs);
    await put('hoge.txt', 'two!');
    await until('the next version', () => landed('hoge.txt').toString() === 'two!');
    await settled(running);
    expect(log.said('landed')).toHaveLength(2);
    expect(await keys()).toEqual(['hoge.txt']);
    expect(refusals()).toEqual([]);
  });

  it('seed C: what is pulled by name from the inbox lands, and stays there: access denied, told once', async () => {
    policy = seedCPolicy(bucket) as PolicyDocument;
    const names = ['a.txt', 'b.txt', 'c d+ü.txt'];
    for (const name of names) await put(`${THING}/inbox/${name}`, name);
    const running = await start();
    await running.pull(names.map((name) => `${THING}/inbox/${name}`));
    await until('landed', () => names.every((name) => existsSync(join(dir, 'inbox', name))));
    await until('ended', () => running.status().inbox?.open === 0);
    expect(log.said('landed, not archived: access denied')).toHaveLength(1);
    expect(await keys()).toHaveLength(3);
    expect(running.status().inbox?.problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/objects come by name only/),
        expect.stringMatching(/s3:PutObject/),
      ]),
    );
  });
});
