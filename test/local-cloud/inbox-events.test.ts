import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { type IotMessage, notifyInbox } from '../../src/cloud/handlers/inbox-notifier';
import { MqttSite } from '../support/mqtt-site';
import { until } from '../support/until';
import type { PolicyDocument } from './policy';
import { courierIotPolicy } from './seed-iot-policies';

let site: MqttSite;

beforeAll(async () => {
  site = await MqttSite.start();
});
afterAll(() => site.stop());

describe('the handler in the account', () => {
  const publishedFor = async (key: string): Promise<IotMessage[]> => {
    const messages: IotMessage[] = [];
    const event = { id: 'e-1', detail: { bucket: { name: 'fleet' }, object: { key } } };
    await notifyInbox(event, async (message) => messages.push(message));
    return messages;
  };

  it('makes an object in an inbox a trigger for its thing', async () => {
    expect(await publishedFor('pump-1/inbox/a b/ü+.txt')).toEqual([
      { topic: 'courier/pump-1/inbox/pull', qos: 1, payload: '{"id":"e-1","keys":["pump-1/inbox/a b/ü+.txt"]}' },
    ]);
  });

  it.each([
    'pump-1/outbox/inbox/a',
    'pump-1/inbox/',
    'pump-1/inbox/folder/',
    'pump-1/inbox',
    '/inbox/a',
    '#/inbox/a',
    '+/inbox/a',
    'a b/inbox/a',
    `${'x'.repeat(129)}/inbox/a`,
  ])('leaves %j alone', async (key) => {
    expect(await publishedFor(key)).toEqual([]);
  });

  it('fails when it cannot publish, so that the event comes again', async () => {
    const event = { id: 'e-1', detail: { bucket: { name: 'fleet' }, object: { key: 'pump-1/inbox/a' } } };
    await expect(notifyInbox(event, () => Promise.reject(new Error('throttled')))).rejects.toThrow('throttled');
  });
});

it('an object that is put into an inbox triggers its thing', async () => {
  const thing = await site.createThing('pump-1', courierIotPolicy(site.cloud));
  site.cloud.createBucket('fleet', { notifiesInbox: true });
  site.cloud.createBucket('quiet');
  const { connection, heard } = await site.connect(thing);
  await connection.subscribe('courier/pump-1/inbox/pull');
  for (const [Bucket, Key] of [
    ['quiet', 'pump-1/inbox/not this'],
    ['fleet', 'pump-1/outbox/nor this'],
    ['fleet', 'pump-1/inbox/hé llo.txt'],
  ])
    await site.fixture.s3().send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  await until('triggered', () => heard.length > 0);
  expect(heard).toHaveLength(1);
  expect(JSON.parse(heard[0]!.split(' ').slice(1).join(' '))).toEqual({
    id: expect.any(String),
    keys: ['pump-1/inbox/hé llo.txt'],
  });
});

describe("the data plane's Publish", () => {
  const mayPublish = (Resource: string): PolicyDocument => ({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'iot:Publish', Resource }],
  });

  class Sha256 {
    readonly #hash;
    constructor(secret?: unknown) {
      this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as Buffer);
    }
    update(data: unknown): void {
      this.#hash.update(data as Buffer);
    }
    digest(): Promise<Uint8Array> {
      return Promise.resolve(this.#hash.digest());
    }
    reset(): void {}
  }

  async function publish(topic: string, payload: string, policy: PolicyDocument, service = 'iotdata'): Promise<number> {
    const url = new URL(site.cloud.dataPlaneEndpoint);
    const { accessKeyId, secretAccessKey, sessionToken } = site.cloud.issueCredentials({ policy });
    const signer = new SignatureV4({
      service,
      region: site.cloud.region,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      sha256: Sha256,
    });
    const path = `/topics/${encodeURIComponent(topic)}`;
    const signed = await signer.sign({
      method: 'POST',
      protocol: 'https:',
      hostname: url.hostname,
      port: Number(url.port),
      path,
      query: { qos: '1' },
      headers: { host: url.host },
      body: payload,
    });
    return new Promise((resolve, reject) => {
      const call = request(`${url.origin}${path}?qos=1`, {
        method: 'POST',
        headers: signed.headers,
        ca: readFileSync(site.cloud.caFile),
        agent: false,
      });
      call.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode!)));
      call.on('error', reject);
      call.end(payload);
    });
  }

  it('reaches the thing', async () => {
    const thing = await site.createThing('pump-2', courierIotPolicy(site.cloud));
    const { connection, heard } = await site.connect(thing);
    await connection.subscribe('courier/pump-2/inbox/pull');
    expect(await publish('courier/pump-2/inbox/pull', '{}', mayPublish('arn:aws:iot:*:*:topic/courier/*'))).toBe(200);
    await until('heard', () => heard.length > 0);
    expect(heard).toEqual(['courier/pump-2/inbox/pull {}']);
  });

  it('is refused without iot:Publish, and with a signature for another service', async () => {
    expect(await publish('courier/pump-2/inbox/pull', '{}', mayPublish('arn:aws:iot:*:*:topic/other/*'))).toBe(403);
    expect(await publish('courier/pump-2/inbox/pull', '{}', mayPublish('*'), 's3')).toBe(403);
  });
});
