import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { systemClock } from '../../src/clock';
import { Component } from '../../src/component';
import { parseConfig } from '../../src/config/load-config';
import type { LogFields, LogLevel } from '../../src/log';
import type { Engine, PolicyDocument } from '../engines/engine';
import { radosgw } from '../engines/radosgw';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const BUCKET = 'fleet-bucket';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const rolePolicy = seedEPolicy(BUCKET) as PolicyDocument;
const missing = radosgw.findMissing();
if (missing !== undefined) process.stderr.write(`courier on radosgw skipped: ${missing}\n`);

/** The whole way up against a real engine: session policies that it enforces, tokens that really expire. */
(missing === undefined ? describe : describe.skip)('radosgw', () => {
  let engine: Engine;
  let nucleus: Server;
  let dir: string;
  let tokens = 0;
  let component: Component | undefined;
  const logs: (LogFields & { level: LogLevel; message: string })[] = [];

  beforeAll(async () => {
    engine = await radosgw.start();
    await engine.createBucket(BUCKET);
    // In the place of the nucleus's token exchange: role tokens of seed E, 6 s each.
    nucleus = createServer((_, response) => {
      tokens += 1;
      void engine
        .issueKeys({ policy: rolePolicy, variables: { 'credentials-iot:ThingName': 'device00' }, seconds: 6 })
        .then(({ accessKeyId, secretAccessKey, sessionToken, expiration }) => {
          response.end(
            JSON.stringify({
              AccessKeyId: accessKeyId,
              SecretAccessKey: secretAccessKey,
              Token: sessionToken,
              Expiration: expiration.toISOString(),
            }),
          );
        });
    });
    await new Promise<void>((done) => nucleus.listen(0, '127.0.0.1', done));
  });
  afterAll(async () => {
    nucleus.close();
    await engine.stop();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rgw-'));
    mkdirSync(join(dir, 'outbox'));
    logs.length = 0;
  });
  afterEach(async () => {
    await component?.stop();
    component = undefined;
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(key: string, upload: object = {}): Promise<Component> {
    const at = (level: LogLevel) => (fields: LogFields, message: string) => {
      logs.push({ ...fields, level, message });
    };
    const config = parseConfig(
      {
        thing: { name: 'device00' },
        s3: {
          bucket: BUCKET,
          endpoint: engine.endpoint,
          region: engine.region,
          pathStyle: true,
          ...(engine.caFile === undefined ? {} : { caFile: engine.caFile }),
        },
        credentials: { source: 'token-exchange' },
        outboxes: [{ path: join(dir, 'outbox'), key, rescanSeconds: 0.2, settleSeconds: 0, claim: 'leave' }],
        upload: { integrity: 'md5', retryMaxSeconds: 1, probeMaxSeconds: 1, ...upload },
        state: { dir: join(dir, 'state') },
      },
      {},
    );
    component = new Component(config, {
      tokenExchange: { uri: `http://127.0.0.1:${(nucleus.address() as AddressInfo).port}/`, authorization: 'token' },
      clock: systemClock,
      dice: Math.random,
      log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    });
    return component.start((error) => {
      throw error;
    });
  }

  async function stored(key: string): Promise<Buffer> {
    // An object belongs to who wrote it: read with the role, as the device would.
    const keys = await engine.issueKeys({
      policy: rolePolicy,
      variables: { 'credentials-iot:ThingName': 'device00' },
      seconds: 60,
    });
    const client = new S3Client({
      endpoint: engine.plainEndpoint ?? engine.endpoint,
      region: engine.region,
      forcePathStyle: true,
      credentials: keys,
    });
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    return Buffer.from(await Body!.transformToByteArray());
  }

  it('files of all sizes and names arrive whole, with tokens that live 6 s and stops in between', async () => {
    const files = new Map<string, Buffer>([
      ['zero', Buffer.alloc(0)],
      ['plus + % & # ü.txt', randomBytes(10)],
      ['deep/er/12mib.bin', randomBytes(12 * MIB)],
      ['40mib.bin', randomBytes(40 * MIB)],
    ]);
    for (let i = 0; i < 100; i++) files.set(`many/${i}`, randomBytes(2_000));
    for (const [path, content] of files) {
      mkdirSync(join(dir, 'outbox', path, '..'), { recursive: true });
      writeFileSync(join(dir, 'outbox', path), content);
    }
    const parts = { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 };
    const before = tokens;
    for (let stops = 0; stops < 3; stops++) {
      const running = await start('{thing}/outbox/{path}', parts);
      const seen = logs.length;
      await until('a part more', () =>
        logs.slice(seen).some(({ message }) => message === 'part sent' || message === 'delivered'),
      );
      await running.stop();
    }
    const running = await start('{thing}/outbox/{path}', parts);
    await until(
      'all delivered',
      () => running.status().uploads.done === files.size,
      () => ({ status: running.status(), logs: logs.slice(-10) }),
      90_000,
    );
    for (const [path, content] of files) expect(sha256(await stored(`device00/outbox/${path}`))).toBe(sha256(content));
    expect(tokens - before).toBeGreaterThanOrEqual(4);
  });

  it.each([
    { name: "another thing's folder", key: 'device01/{path}' },
    { name: "the bucket's root", key: '{path}' },
  ])('seed E: $name is a real AccessDenied, told once, and costs the file nothing', async ({ key }) => {
    for (let i = 0; i < 40; i++) writeFileSync(join(dir, 'outbox', `f${i}`), 'x');
    const running = await start(key);
    await until('refused', () => logs.some(({ level }) => level === 'error'));
    await until(
      'asked again',
      () =>
        (running.find(20)?.attempt ?? 0) +
          running.list('queued', 41, 40).reduce((sum, { id }) => sum + (running.find(id)?.attempt ?? 0), 0) >
        20,
      () => logs.slice(-5),
    );
    expect(logs.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({
        code: 'ACCESS_DENIED',
        reason: expect.stringMatching(/denies s3:PutObject .*AccessDenied/) as string,
      }),
    ]);
    expect(running.status().uploads).toMatchObject({ done: 0, failed: 0 });
  });
});
