import { createHash, randomBytes } from 'node:crypto';
import { MqttToken } from '../../src/aws/credentials/mqtt-token';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument, PolicyStatement } from '../local-cloud/policy';
import { credentialsOnlyIotPolicy, seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { IpcSite } from '../messages/ipc-site';
import { Courier } from '../support/courier';
import { SkippingClock } from '../support/skipping-clock';
import { TokenSite } from '../support/token-site';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const ANSWER_WITHIN_MS = 30_000;
const PARTS = { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 } };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const statementsOf = ({ Statement }: PolicyDocument): PolicyStatement[] => [Statement].flat();

describe('tokens by message', () => {
  let site: TokenSite;
  const status = () => site.courier.component.status();
  const begin = async (options: Parameters<typeof TokenSite.create>[0] = {}): Promise<Courier> => {
    site = await TokenSite.create({ edge: { dice: () => 0 }, ...options });
    return site.courier;
  };

  afterEach(() => site.courier.end());

  it('by exactly the policies and topics of the how-to, files of any size go up', async () => {
    const courier = await begin({ config: PARTS });
    const big = randomBytes(12 * MIB);
    courier.drop('big.bin', big);
    courier.drop('small.txt', 'x');
    await courier.start();
    await courier.delivered(2);
    expect(await courier.cloud.sha256(Courier.bucket, 'device00/outbox/big.bin')).toBe(sha256(big));
    expect(courier.cloud.mqtt.denials).toEqual([]);
    expect(site.requests).toEqual([expect.stringMatching(/^\{"requestId":"[\w-]{36}"\}$/)]);
    expect(courier.cloud.sts.sessions).toEqual(['device00']);
    expect(status().credentials).toMatchObject({ source: 'mqtt-token', expiresInSeconds: expect.any(Number) });
    expect(courier.cloud.counters.Credentials).toBeUndefined(); // nothing else was asked
    // May put into its own folder, and nothing else: what lies elsewhere is denied by S3 itself.
    expect(
      new Set(courier.cloud.requests.filter(({ status: code }) => code >= 400).map(({ operation }) => operation)),
    ).toEqual(new Set());
  });

  it('only its own folder is writable', async () => {
    const courier = await begin();
    courier.sections.outboxes = [
      { path: courier.outbox, key: 'device01/{path}', rescanSeconds: 0.1, settleSeconds: 0 },
    ];
    courier.drop('a.txt', 'x');
    await courier.start();
    const [line] = await courier.logged('refused by the account, files wait and nothing is lost');
    expect(line!.reason).toMatch(/S3 denies s3:PutObject on fleet-bucket\/device01\/a.txt .*; allow it/);
  });

  it('other topics, where the configuration says so', async () => {
    const topics = { requestTopic: 'fleet/{thing}/ask', responseTopic: 'fleet/{thing}/get' };
    const policy = ({ region, accountId }: LocalCloud): PolicyDocument => ({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'iot:Connect', Resource: '*' },
        {
          Effect: 'Allow',
          Action: ['iot:Publish', 'iot:Subscribe', 'iot:Receive'],
          Resource: [`arn:aws:iot:${region}:${accountId}:topic*/fleet/device00/*`],
        },
      ],
    });
    const courier = await begin({ mqttToken: topics, iotPolicy: policy });
    const token = await site.issue();
    courier.cloud.mqtt.listeners.push((topic) => {
      if (topic === 'fleet/device00/ask') void courier.cloud.mqtt.publish('fleet/device00/get', token);
    });
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.delivered(1);
    expect(courier.cloud.mqtt.denials).toEqual([]);
    expect(status().credentials.expiresInSeconds).toBeGreaterThan(3_590); // no Expiration: an hour
  });

  it('a token that nobody asked for is taken, and who waits need not wait for a turn', async () => {
    const courier = await begin();
    site.vendor.isMute = true;
    courier.drop('a.txt', 'x');
    await courier.start();
    await until('asked', () => site.requests.length > 0);
    await courier.cloud.mqtt.publish('device00/token/res', await site.issue());
    await courier.delivered(1);
    // Before the first is needed, too.
    await courier.stop();
    await courier.start();
    await until('listens', () => status().mqtt?.state === 'connected');
    const asked = site.requests.length;
    await until('taken', async () => {
      await courier.cloud.mqtt.publish('device00/token/res', await site.issue());
      return status().credentials.expiresInSeconds !== undefined;
    });
    courier.drop('b.txt', 'y');
    await courier.delivered(2);
    expect(site.requests).toHaveLength(asked);
  });

  it('while nobody answers the request is not repeated in a storm, and goes on by itself', async () => {
    const clock = new SkippingClock();
    const courier = await begin({ edge: { clock, dice: () => 0 } });
    site.vendor.isMute = true;
    for (let i = 0; i < 50; i++) courier.drop(`f${i}`, 'x');
    await courier.start();
    await until('asked', () => site.requests.length > 0, status);
    await until(
      'asked twice',
      () => {
        clock.skip(1_000);
        return site.requests.length > 1;
      },
      status,
    );
    // One at a time, each with its time to be answered in, and a pause after it.
    expect(site.requests.length).toBeLessThanOrEqual(3);
    expect(status().link.reason).toMatch(
      /no token on device00\/token\/res within 20 s .*; check that a topic rule takes it/,
    );
    site.vendor.isMute = false;
    await until(
      'asked thrice',
      () => {
        clock.skip(1_000);
        return site.requests.length > 2;
      },
      status,
    );
    await courier.delivered(50);
    expect(courier.logs.filter(({ message }) => message === 'attempt failed, another follows')).toEqual([]);
  });

  it('is asked for again when S3 says that it is over, and a request is never stored', async () => {
    const courier = await begin({ tokenSeconds: 2, config: PARTS });
    const big = randomBytes(20 * MIB);
    const faults = [1, 2].map((skip) =>
      courier.cloud.faults.add({ kind: 'error', operation: 'UploadPart', code: 'ExpiredToken', skip }),
    );
    courier.drop('big.bin', big);
    await courier.start();
    await courier.delivered(1);
    expect(faults.map(({ hits }) => hits)).toEqual([1, 1]);
    expect(courier.cloud.counters).toMatchObject({ CreateMultipartUpload: 1 });
    expect(site.requests.length).toBeGreaterThanOrEqual(3);
    expect(status().messages?.stored).toBe(0);
  });

  it('a topic that is not permitted is told once, with what to allow, and not asked for again and again', async () => {
    const courier = await begin({
      config: { upload: { probeMaxSeconds: 900, stallSeconds: 1 } },
      iotPolicy: (cloud) => ({
        Version: '2012-10-17',
        Statement: statementsOf(seedBIotPolicy(cloud, Courier.thing)).filter(({ Action }) => Action !== 'iot:Publish'),
      }),
    });
    for (let i = 0; i < 20; i++) courier.drop(`f${i}`, 'x');
    await courier.start();
    const [line] = await courier.logged('refused by the account, files wait and nothing is lost');
    expect(line!.reason).toMatch(
      /allow iot:Publish on arn:aws:iot:<region>:<account>:topic\/device00\/token\/req in the certificate's IoT policy/,
    );
    await until('connected again', () => status().mqtt?.state === 'connected');
    courier.drop('more', 'x');
    await until('queued', () => status().uploads.queued === 21);
    expect(courier.cloud.mqtt.denials).toHaveLength(2);
    expect(courier.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(status().refusals).toMatchObject([{ scope: 'credentials', code: 'CREDENTIALS_REFUSED' }]);
  });

  it.each(['classic', 'credentials'])('in the shadow (%s): there already, or put there later', async (shadow) => {
    const policy = ({ region, accountId }: LocalCloud): PolicyDocument => ({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'iot:Connect', Resource: '*' },
        {
          Effect: 'Allow',
          Action: ['iot:Publish', 'iot:Subscribe', 'iot:Receive'],
          Resource: [`arn:aws:iot:${region}:${accountId}:topic*/$aws/things/device00/shadow/*`],
        },
      ],
    });
    const courier = await begin({ mqttToken: { shadow }, iotPolicy: policy, config: { upload: { stallSeconds: 1 } } });
    const { cloud } = courier;
    const put = async (): Promise<void> =>
      cloud.shadows.update(
        'device00',
        { token: { ...(await site.issue()), Expiration: new Date(Date.now() + 3_600_000).toISOString() } },
        ({ topic, payload }) => cloud.mqtt.publish(topic, payload),
        shadow === 'classic' ? undefined : shadow,
      );
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.logged('link is down, waiting'); // no shadow yet
    await put();
    await courier.delivered(1);
    await courier.stop();
    await courier.start();
    courier.drop('b.txt', 'y');
    await courier.delivered(2);
    expect(site.requests).toEqual([]);
    expect(cloud.mqtt.denials).toEqual([]);
    expect(
      cloud.mqtt
        .publishedTo('$aws/things/#')
        .filter(({ clientId }) => clientId !== undefined)
        .every(({ topic }) => topic.endsWith('/get')),
    ).toBe(true);
  });

  it('without messages it cannot be configured', async () => {
    const courier = await begin();
    delete courier.sections.mqtt;
    await expect(courier.start()).rejects.toThrow(/mqtt-token needs messages; set mqtt.endpoint, or run as/);
    Object.assign(courier.sections, { mqtt: { endpoint: courier.cloud.mqttEndpoint, caFile: courier.cloud.caFile } });
  });

  it('goes over to the next source where one cannot answer, and back when it can', async () => {
    const courier = await begin({
      source: ['role-alias', 'mqtt-token'],
      iotPolicy: (cloud) => ({
        Version: '2012-10-17',
        Statement: [seedBIotPolicy(cloud, Courier.thing), credentialsOnlyIotPolicy(cloud, 'courier')].flatMap(
          statementsOf,
        ),
      }),
      tokenSeconds: 2,
    });
    const { cloud } = courier;
    const away = cloud.faults.add({
      kind: 'error',
      operation: 'Credentials',
      code: 'AccessDenied',
      message: 'Access Denied',
      count: Number.POSITIVE_INFINITY,
    });
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.delivered(1);
    expect(status().credentials).toMatchObject({
      source: 'mqtt-token',
      sources: [
        {
          source: 'role-alias',
          inUse: false,
          code: 'CREDENTIALS_REFUSED',
          reason: expect.stringContaining('iot:AssumeRoleWithCertificate') as string,
        },
        { source: 'mqtt-token', inUse: true },
      ],
    });
    const [line] = await courier.logged('credentials come from another source');
    expect(line).toMatchObject({
      source: 'mqtt-token',
      reason: expect.stringContaining('refuses the certificate') as string,
    });
    away.remove();
    let files = 1;
    await until(
      'back',
      async () => {
        courier.drop(`f${files++}`, 'x');
        return status().credentials.source === 'role-alias';
      },
      status,
    );
    await courier.logged('credentials come from the first source again');
    await courier.delivered(files);
    expect(courier.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe.each(['classic', 'lite'] as const)('tokens over the IPC of %s', (kind) => {
  let site: IpcSite;
  let courier: Courier;
  let token: MqttToken;
  let clock: SkippingClock;
  const pushed: number[] = [];

  beforeEach(async () => {
    clock = new SkippingClock();
    courier = await Courier.create();
    site = await IpcSite.start({ kind });
    const rule = courier.cloud.createTokenVendor(Courier.bucket);
    const { iotCore } = site.nucleus;
    iotCore.on('+/token/req', ({ topic, payload }) =>
      rule.take(topic, payload, async (message) => iotCore.publish(message.topic, message.payload)),
    );
    token = new MqttToken({
      bus: site.cloud,
      thing: 'device00',
      requestTopic: 'device00/token/req',
      responseTopic: 'device00/token/res',
      shadow: undefined,
      timeoutMs: ANSWER_WITHIN_MS,
      clock,
      dice: () => 0,
      knownNowMs: () => undefined,
      onPushed: ({ lifetimeMs }) => pushed.push(lifetimeMs),
    });
    token.start();
  });
  afterEach(async () => {
    await token.stop();
    await site.end();
    await courier.end();
  });

  it('are had, also after the MQTT daemon forgot that we listen', async () => {
    const { credentials, lifetimeMs } = await token.fetch();
    expect(credentials.accessKeyId).toMatch(/^ASIA/);
    expect(lifetimeMs).toBeGreaterThan(3_590_000);
    site.nucleus.iotCore.restartMqttDaemon();
    let isGivenUp = false;
    const unheard = token.fetch().finally(() => {
      isGivenUp = true;
    });
    const expected = expect(unheard).rejects.toMatchObject({ code: 'CREDENTIALS_UNWELL' });
    await until('given up', () => {
      if (!isGivenUp) clock.skip(ANSWER_WITHIN_MS);
      return isGivenUp;
    });
    await expected;
    await token.fetch(); // listens anew
  });

  it('are not asked for by a message that waits for the link', async () => {
    await token.fetch();
    site.nucleus.iotCore.goDown();
    await expect(token.fetch()).rejects.toMatchObject({
      code: 'CREDENTIALS_UNREACHABLE',
      message: expect.stringMatching(/no token can be asked for: .*; if it lasts/) as string,
    });
    expect(site.nucleus.iotCore.spooled).toBe(0);
  });
});
