import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, parseConfig } from '../../src/config/load-config';

const usable = {
  thing: { name: 'device00' },
  s3: { bucket: 'b', region: 'eu-central-1' },
  outboxes: [{ path: '/data/out' }],
};

describe('a configuration', () => {
  it('has all defaults filled in', () => {
    const config = parseConfig(usable, {});
    expect(config.outboxes[0]).toEqual({
      path: '/data/out',
      key: '{thing}/outbox/{path}',
      priority: 0,
      order: 'oldest',
      rescanSeconds: 30,
      settleSeconds: 5,
      openWriterSeconds: 3600,
      ignore: [],
      claim: 'move',
      deleteGraceSeconds: 10,
      duplicates: 'send',
      pruneEmptyFolders: false,
      rules: [],
    });
    expect(config.upload).toMatchObject({
      singlePutMaxBytes: 8 * 2 ** 20,
      integrity: 'crc32',
      payload: 'unsigned',
      onExisting: 'overwrite',
    });
    expect(config.credentials).toMatchObject({ source: 'auto', roleAlias: { thingNameHeader: true } });
  });

  it('takes scalars as strings, as local deployments make them', () => {
    const config = parseConfig(
      {
        ...usable,
        upload: { partSizeBytes: '8388608', stallSeconds: '2.5' },
        s3: { ...usable.s3, pathStyle: 'true', expectedBucketOwner: '123456789012' },
      },
      {},
    );
    expect(config.upload).toMatchObject({ partSizeBytes: 8_388_608, stallSeconds: 2.5 });
    expect(config.s3).toMatchObject({ pathStyle: true, expectedBucketOwner: '123456789012' });
  });

  it('says all that is wrong at once, each with its place', () => {
    const wrong = () =>
      parseConfig(
        {
          thing: { name: 'no spaces' },
          s3: { bucket: 'b', endpoint: 'ftp://x', nonsense: 1 },
          outboxes: [{ path: '/out', rescanSeconds: 'soon' }, {}],
          upload: { partSizeBytes: 1, onExisting: 'maybe' },
          elsewhere: {},
        },
        {},
      );
    for (const part of [
      /thing\.name: a thing name has 1 to 128/,
      /s3\.endpoint: a URL such as/,
      /s3\.nonsense: no such setting/,
      /outboxes\[0\]\.rescanSeconds: /,
      /outboxes\[1\]\.path: /,
      /upload\.partSizeBytes: /,
      /upload\.onExisting: /,
      /elsewhere: no such setting/,
      /correct it, and start or deploy it again$/,
    ]) {
      expect(wrong).toThrow(part);
    }
  });

  it.each([
    [{ outboxes: [{ path: '/out' }], s3: {} }, /s3\.bucket: missing; name the bucket/],
    [{ outboxes: [{ path: '/out' }], s3: { bucket: 'b' } }, /s3\.region: missing/],
    [{ ...usable, s3: { bucket: 'b/folder', region: 'x' } }, /"b\/folder" is not a bucket name; folders belong into/],
    [
      { ...usable, credentials: { source: 'role-alias' } },
      /credentials\.roleAlias\.endpoint: missing.*\n.*alias: missing.*\n.*certificateFile: missing/,
    ],
    [{ ...usable, outboxes: [{ path: '/out' }, { path: '/out/sub', key: 'x/{path}' }] }, /contains or equals/],
    [{ ...usable, outboxes: [{ path: '/out' }, { path: '/out' }] }, /contains or equals/],
    [
      { ...usable, outboxes: [{ path: '/cam1' }, { path: '/cam2' }] },
      /outboxes\[1\]\.key: the same as outboxes\[0\]\.key.*\{thing\}\/outbox\/cam2\/\{path\}/,
    ],
    [{ ...usable, outboxes: [{ path: '/' }] }, /lies inside the outbox/],
    [{ ...usable, state: { dir: '/data/out/state' } }, /state\.dir: .* lies inside the outbox/],
  ])('%j is refused', (settings, message) => {
    expect(() => parseConfig(settings, {})).toThrow(message);
  });

  it('learns the region from the surroundings, the endpoint, or the access point', () => {
    const region = (s3: object, roleAlias: object, surroundings: object) =>
      parseConfig({ ...usable, s3, credentials: { roleAlias } }, surroundings).s3.region;
    expect(region({ bucket: 'b' }, {}, { region: 'eu-west-1' })).toBe('eu-west-1');
    expect(region({ bucket: 'b' }, { endpoint: 'https://abc.credentials.iot.ap-northeast-1.amazonaws.com/' }, {})).toBe(
      'ap-northeast-1',
    );
    expect(region({ bucket: 'b' }, { endpoint: 'abc.credentials.iot.cn-north-1.amazonaws.com.cn' }, {})).toBe(
      'cn-north-1',
    );
    expect(region({ bucket: 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap' }, {}, {})).toBe('us-west-2');
    expect(region({ bucket: 'b', region: 'x-1' }, {}, { region: 'eu-west-1' })).toBe('x-1');
  });

  it('gives nothing away by jobs that is to stay on the device', () => {
    const jobs = (uploadRoots: string[], dir?: string) =>
      parseConfig(
        { ...usable, thing: { name: 't' }, state: { dir: '/var/lib/courier' }, jobs: { uploadRoots, dir } },
        {},
      ).jobs;
    expect(jobs(['/var/log/', '/data/../logs']).uploadRoots).toEqual(['/var/log', '/logs']);
    for (const root of ['/', '/var', '/var/lib/courier/', '/var/lib/courier/spool'])
      expect(() => jobs([root])).toThrow(
        /uploadRoots\[0\]: .* holds, or lies in, state\.dir .*; name a folder without it/,
      );
    expect(() => jobs([], '/var/lib/courier/jobs')).toThrow(/jobs\.dir: .* lies in state\.dir; put it elsewhere/);
  });
});

describe('configuration files', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'config-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };

  it('override one another, and their paths start at their own folder', () => {
    const first = file(
      'courier.yaml',
      'thing: {name: a, certificateFile: certs/a.pem}\ns3: {bucket: b, region: r}\noutboxes: [{path: out}]\n',
    );
    const second = file(
      'more.yaml',
      'thing: {name: b}\ns3: {caFile: /etc/ca.pem}\noutboxes: [{path: /abs, key: "{name}"}]\n',
    );
    expect(loadConfig([first, second], {})).toMatchObject({
      thing: { name: 'b', certificateFile: join(dir, 'certs/a.pem') },
      s3: { bucket: 'b', caFile: '/etc/ca.pem' },
      outboxes: [{ path: '/abs', key: '{name}' }],
    });
  });

  it('may be the settings file of the how-to, exactly as it is', () => {
    const conf = file(
      'setting.conf',
      [
        '[DEVICE]',
        'CERT_PATH = ./certs/device.pem.crt',
        'PRIVATE_KEY_PATH = ./certs/private.pem.key',
        '',
        '[AWS]',
        'IOT_CREDENTIAL_ENDPOINT = https://c1abc.credentials.iot.ap-northeast-1.amazonaws.com',
        'IOT_ROLE_ALIAS = swx-test-role-alias',
        'BUCKET_NAME = swx-test-bucket',
        'PREFIX = swx-test-a',
        'ANOTHER_PREFIX = swx-test-b',
        'FLIE_NAME = test.txt',
        '',
      ].join('\n'),
    );
    const config = loadConfig([conf], {});
    expect(config).toMatchObject({
      thing: { certificateFile: join(dir, 'certs/device.pem.crt'), privateKeyFile: join(dir, 'certs/private.pem.key') },
      s3: { bucket: 'swx-test-bucket', region: 'ap-northeast-1' },
      credentials: { source: 'role-alias', roleAlias: { alias: 'swx-test-role-alias', thingNameHeader: false } },
      outboxes: [],
      inbox: { dir: join(dir, 'inbox'), prefix: 'swx-test-a/', archivePrefix: 'swx-test-b/', only: 'test.txt' },
    });
    expect(config.thing.name).toBeUndefined();
  });

  it.each([
    ['nowhere.yaml', undefined, /cannot read the configuration .*nowhere\.yaml \(ENOENT\); check the path/],
    ['bad.yaml', 'a: [1', /bad\.yaml is not YAML: .*correct that line/s],
    ['list.yaml', '- 1', /sections are expected/],
    ['x.conf', '[AWS]\nBUCKET = b\n', /no such setting BUCKET; this kind of file takes CERT_PATH/],
  ])('%s: a sentence with the next step', (name, text, message) => {
    if (text !== undefined) file(name, text);
    expect(() => loadConfig([join(dir, name)], {})).toThrow(message);
  });

  it('are asked for when none is named', () => {
    expect(() => loadConfig([], {})).toThrow(/name one: --config courier\.yaml/);
  });
});
