import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';

const PULL = 'courier/device00/inbox/pull';
const RESULT = 'courier/device00/inbox/result';

interface Result {
  readonly id?: string;
  readonly event: string;
  readonly key?: string;
  readonly path?: string;
  readonly message?: string;
}

describe.each(['classic', 'lite'] as const)('the inbox on %s', (kind) => {
  let device: CoreDevice;

  const results = (): Result[] =>
    device.nucleus.iotCore
      .publishedTo(RESULT)
      .flatMap(({ payload }) => (JSON.parse(payload.toString()) as { results: Result[] }).results);
  const begin = async (more: object = {}): Promise<void> => {
    device = await CoreDevice.create({ kind, configuration: { inbox: { dir: 'inbox', pollMinutes: 0, ...more } } });
    device.start();
    await until('subscribed', () => device.nucleus.iotCore.filters.includes(PULL));
    await until('looked through', async () => (await device.status()).inbox?.lastLookAtMs !== undefined);
  };
  const read = (name: string): string => readFileSync(join(device.work, 'inbox', name), 'utf8');

  afterEach(() => device.end());

  it('fetches what a message names, archives it, and tells both sides', async () => {
    await begin();
    await device.put('device00/inbox/a/b.txt', 'hello');
    device.nucleus.iotCore.publish(PULL, { keys: ['device00/inbox/a/b.txt'], id: 'job-7' });
    await device.stored('device00/archive/a/b.txt');
    expect(read('a/b.txt')).toBe('hello');
    await until('a result', () => results().length > 0);
    expect(results()[0]).toMatchObject({
      id: 'job-7',
      event: 'archived',
      key: 'device00/inbox/a/b.txt',
      path: 'a/b.txt',
      sizeBytes: 5,
      verified: 'crc32',
      archiveKey: 'device00/archive/a/b.txt',
    });
    const landed = () => device.nucleus.topics.published.find(({ topic }) => topic === 'courier/inbox/landed');
    await until('the other side is told', () => landed() !== undefined);
    expect(JSON.parse(String(landed()?.message))).toMatchObject({
      event: 'landed',
      path: join(device.work, 'inbox/a/b.txt'),
      key: 'device00/inbox/a/b.txt',
    });
  });

  it('fetches all on an empty message, and tells of many at once', async () => {
    await begin();
    for (let i = 0; i < 30; i++) await device.put(`device00/inbox/${i}.txt`, String(i));
    device.nucleus.iotCore.publish(PULL, Buffer.alloc(0));
    await until(
      '30 results',
      () => new Set(results().map(({ key }) => key)).size === 30,
      () => results(),
    );
    expect(device.nucleus.iotCore.publishedTo(RESULT).length).toBeLessThan(30);
    for (const { payload } of device.nucleus.iotCore.publishedTo(RESULT))
      expect(payload.length).toBeLessThanOrEqual(4_096);
  });

  it('answers what it cannot do with a sentence, and does nothing else', async () => {
    await begin();
    await device.put('secret/key.txt', 'no');
    device.nucleus.iotCore.publish(PULL, { keys: ['secret/key.txt'], id: 'x' });
    device.nucleus.iotCore.publish(PULL, 'pull, please');
    const messages = (): string[] => [
      ...new Set(results().map(({ id, event, message }) => `${id} ${event}: ${message}`)),
    ];
    await until('two refusals', () => messages().length === 2, results); // a list that grew is told again, whole
    expect(messages().sort()).toEqual([
      expect.stringMatching(/^undefined refused: .*not JSON/),
      expect.stringMatching(/^x refused: .*inbox\.allowedPrefixes/),
    ]);
    expect(device.keys()).toEqual(['secret/key.txt']);
  });

  it('finds by looking what a lost message was about', async () => {
    await begin({ pollMinutes: 0.01 });
    device.nucleus.iotCore.restartMqttDaemon(); // subscriptions are dead from here on, without a word
    await device.put('device00/inbox/lost.txt', 'found');
    device.nucleus.iotCore.publish(PULL, { keys: ['device00/inbox/lost.txt'] });
    await device.stored('device00/archive/lost.txt');
    expect(read('lost.txt')).toBe('found');
  });

  it('looks through the inbox after each reconnection', async () => {
    await begin();
    await device.nucleus.ipc.stop();
    await device.put('device00/inbox/meanwhile.txt', 'found');
    await device.nucleus.ipc.start();
    await device.stored('device00/archive/meanwhile.txt');
  });
});
