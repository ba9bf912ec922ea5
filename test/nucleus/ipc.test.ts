import { existsSync } from 'node:fs';
import { RpcErrorType } from 'aws-iot-device-sdk-v2/dist/eventstream_rpc';
import type { Client } from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc';
import {
  type ConfigurationUpdateEvents,
  ReportedLifecycleState,
  type SubscriptionResponseMessage,
} from 'aws-iot-device-sdk-v2/dist/greengrasscoreipc/model';
import { PUB_SUB } from '../support/nucleus/access-control';
import { until } from '../support/until';
import { nextEvent } from './next-event';
import { NucleusSite } from './nucleus-site';
import { rejectionOf } from './rejection-of';

const SERVICE = 'aws.greengrass#GreengrassCoreIPC';
const NOT_FOUND = 'ResourceNotFoundError';
const CONFIGURATION = { bucket: 'fleet', upload: { partSizeMb: 8, isFast: true, none: null, list: [1, 'two'] } };

describe.each(['classic', 'lite'] as const)('IPC of %s, asked by the SDK', (kind) => {
  let site: NucleusSite;
  let client: Client;

  beforeEach(async () => {
    site = await NucleusSite.start({ kind, configuration: CONFIGURATION });
    client = await site.connect();
  });
  afterEach(() => site.end());

  it('refuses a token that it did not give out, and the socket serves on', async () => {
    const stranger = site.client({ ...site.nucleus.env(), SVCUID: 'AAAAAAAAAAAAAAAA' });
    const { type } = await rejectionOf(stranger.connect());
    expect([RpcErrorType.NetworkError, RpcErrorType.HandshakeError]).toContain(type);
    expect(site.nucleus.ipc.connections).toBe(1);
    expect((await client.getConfiguration({ keyPath: ['bucket'] })).value).toEqual({ bucket: 'fleet' });
  });

  it('records what was asked', async () => {
    await client.getConfiguration({ keyPath: ['upload', 'list'] });
    expect(site.nucleus.ipc.asked('GetConfiguration')).toMatchObject([{ body: { keyPath: ['upload', 'list'] } }]);
    const awaited = site.nucleus.ipc.waitFor('UpdateState', ({ state }) => state === 'RUNNING');
    await client.updateState({ state: ReportedLifecycleState.RUNNING });
    await awaited;
    expect(site.nucleus.states).toEqual(['RUNNING']);
  });

  it('tells the configuration: all, a branch, a leaf', async () => {
    expect(await client.getConfiguration({ keyPath: [] })).toEqual({
      componentName: 'thing-courier',
      value: CONFIGURATION,
    });
    expect((await client.getConfiguration({ keyPath: ['upload'] })).value).toEqual(CONFIGURATION.upload);
    expect((await client.getConfiguration({ keyPath: ['upload', 'none'] })).value).toEqual({ none: null });
  });

  it.each([[{ keyPath: ['upload', 'parts'] }], [{ componentName: 'other', keyPath: [] }]])(
    'knows nothing of %j',
    async (request) => {
      const { type, serviceError } = await rejectionOf(client.getConfiguration(request));
      expect(type).toBe(RpcErrorType.ServiceError);
      expect(serviceError).toEqual(
        kind === 'classic'
          ? { _service: SERVICE, _errorCode: NOT_FOUND, _message: 'Key not found', message: 'Key not found' }
          : { _errorCode: NOT_FOUND, _message: 'Key not found.' },
      );
    },
  );

  it('turns scalars into strings', async () => {
    site.nucleus.switches.stringScalars = true;
    expect((await client.getConfiguration({ keyPath: ['upload'] })).value).toEqual({
      partSizeMb: '8',
      isFast: 'true',
      none: 'null',
      list: ['1', 'two'],
    });
  });

  it('tells each changed leaf below the key that was subscribed to', async () => {
    const heard: unknown[] = [];
    const stream = client.subscribeToConfigurationUpdate({ keyPath: ['upload'] });
    stream.on('message', (event: ConfigurationUpdateEvents) => {
      heard.push(event.configurationUpdateEvent?.keyPath);
    });
    await stream.activate();
    await site.nucleus.deploy({
      bucket: 'other',
      upload: { partSizeMb: 16, isFast: true, list: [], limits: { kb: 1 } },
    });
    await until('three events', () => heard.length === 3);
    expect(heard).toEqual([
      ['upload', 'partSizeMb'],
      ['upload', 'list'],
      ['upload', 'limits', 'kb'],
    ]);
    await site.nucleus.deploy({}, { fromDefaults: true });
    await until('what is gone', () => heard.length === 6);
    expect(heard.slice(3)).toEqual([
      ['upload', 'partSizeMb'],
      ['upload', 'list'],
      ['upload', 'limits'],
    ]);
    await stream.close();
    await until('the subscription ended', () => site.nucleus.configuration.subscribers === 0);
  });

  it('lets the component update its own configuration', async () => {
    const request = { keyPath: ['upload'], valueToMerge: { partSizeMb: 5 }, timestamp: new Date() };
    await client.updateConfiguration(request);
    expect(site.nucleus.configuration.values).toMatchObject({ upload: { partSizeMb: 5, isFast: true } });
    const { type } = await rejectionOf(client.updateConfiguration({ ...request, timestamp: new Date(1_000) }));
    expect(type).toBe(RpcErrorType.ServiceError);
    await rejectionOf(client.updateConfiguration({ ...request, keyPath: ['accessControl'] }));
  });

  it('carries messages between components', async () => {
    const stream = client.subscribeToTopic({ topic: 'courier/+/delivered' });
    await stream.activate();
    let event = nextEvent<SubscriptionResponseMessage>(stream);
    site.nucleus.topics.publish('courier/outbox/delivered', { key: 'a/b' });
    expect(await event).toEqual({
      jsonMessage: { message: { key: 'a/b' }, context: { topic: 'courier/outbox/delivered' } },
    });
    event = nextEvent(stream);
    site.nucleus.topics.publish('courier/outbox/delivered', Buffer.from([0, 255]));
    expect(Buffer.from((await event).binaryMessage!.message as ArrayBuffer)).toEqual(Buffer.from([0, 255]));

    await client.publishToTopic({ topic: 'elsewhere', publishMessage: { jsonMessage: { message: { n: 1 } } } });
    await client.publishToTopic({ topic: 'elsewhere', publishMessage: { binaryMessage: { message: 'ab' } } });
    expect(site.nucleus.topics.published).toEqual([
      { topic: 'elsewhere', message: { n: 1 } },
      { topic: 'elsewhere', message: Buffer.from('ab') },
    ]);
  });

  it('asks on streams that end with their connection', async () => {
    const stream = client.subscribeToTopic({ topic: 'a' });
    await stream.activate();
    const ended = new Promise((resolve) => stream.on('ended', resolve));
    const disconnected = new Promise((resolve) => client.on('disconnection', resolve));
    site.nucleus.ipc.drop();
    await Promise.all([ended, disconnected]);
    await until('no subscriber', () => site.nucleus.topics.filters.length === 0);
    await site.connect();
  });

  it('is not there, and there again on the same socket', async () => {
    await site.nucleus.ipc.stop();
    expect(existsSync(site.nucleus.ipc.socketPath)).toBe(false);
    expect((await rejectionOf(site.client().connect())).type).toBe(RpcErrorType.InternalError);
    await site.nucleus.ipc.start();
    await site.connect();
  });

  it('does not know an operation', async () => {
    const { type, serviceError } = await rejectionOf(client.getSecretValue({ secretId: 'a' }));
    expect(type).toBe(RpcErrorType.ServiceError);
    const message = 'Operation aws.greengrass#GetSecretValue is not supported by Greengrass';
    expect(serviceError).toEqual(
      kind === 'classic'
        ? { _service: SERVICE, _errorCode: 'ServiceError', _message: message, message }
        : { _errorCode: 'ServiceError', _message: '' },
    );
  });
});

describe('own messages on a wildcard', () => {
  it.each([
    ['classic', 0],
    ['lite', 1],
  ] as const)('%s: delivers %i', async (kind, expected) => {
    const site = await NucleusSite.start({ kind });
    try {
      const client = await site.connect();
      const heard: unknown[] = [];
      const stream = client.subscribeToTopic({ topic: 'a/#' });
      stream.on('message', (event: SubscriptionResponseMessage) => {
        heard.push(event.jsonMessage?.message);
      });
      await stream.activate();
      await client.publishToTopic({ topic: 'a/b', publishMessage: { jsonMessage: { message: { own: 1 } } } });
      site.nucleus.topics.publish('a/b', { other: 1 });
      await until('the other component heard', () => heard.length > expected);
      expect(heard).toEqual([...(expected === 1 ? [{ own: 1 }] : []), { other: 1 }]);
    } finally {
      await site.end();
    }
  });
});

describe.each(['classic', 'lite'] as const)('accessControl of %s', (kind) => {
  it('refuses what the recipe does not list, and is part of the configuration', async () => {
    const accessControl = {
      [PUB_SUB]: {
        'thing-courier:pubsub:1': { operations: ['aws.greengrass#PublishToTopic'], resources: ['courier/*/delivered'] },
      },
    };
    const site = await NucleusSite.start({ kind, accessControl, configuration: { a: 1 } });
    try {
      const client = await site.connect();
      const publishMessage = { jsonMessage: { message: {} } };
      await client.publishToTopic({ topic: 'courier/outbox/delivered', publishMessage });
      const { type, serviceError } = await rejectionOf(
        client.publishToTopic({ topic: 'courier/outbox', publishMessage }),
      );
      expect(type).toBe(RpcErrorType.ServiceError);
      expect(serviceError).toMatchObject({
        _errorCode: 'UnauthorizedError',
        _message:
          kind === 'classic'
            ? `Principal thing-courier is not authorized to perform ${PUB_SUB}:aws.greengrass#PublishToTopic on resource courier/outbox`
            : 'IPC Operation not authorized.',
      });
      const stream = client.subscribeToTopic({ topic: 'courier/outbox/delivered' });
      await rejectionOf(stream.activate());
      expect((await client.getConfiguration({ keyPath: [] })).value).toEqual({ a: 1, accessControl });
    } finally {
      await site.end();
    }
  });
});
