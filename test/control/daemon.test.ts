import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LocalCloud } from '../local-cloud/local-cloud';
import { seedAPolicy } from '../local-cloud/seed-policies';
import { Device } from '../support/device';
import { until } from '../support/until';

const COURIER = resolve(__dirname, '../../dist/courier.js');

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function courier(...args: string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(process.execPath, [COURIER, ...args], (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('the built daemon and its command', () => {
  let dir: string;
  let cloud: LocalCloud;
  let device: Device;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'daemon-'));
    cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
    device = await Device.create({ dir: join(dir, 'device'), cloud });
    writeFileSync(join(device.outbox, 'a.txt'), 'hello');
    device.start();
    await device.delivered(1);
  }, 120_000);
  afterAll(async () => {
    await device.stop();
    await cloud.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('status says what is going on, to a person and to a program', async () => {
    const text = await courier('status', '--state-dir', device.stateDir);
    expect(text).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /files {5}0 waiting \(0 B\), 1 delivered \(5 B\), 0 failed\nlink {6}up\naccess {4}role-alias/,
      ) as string,
    });
    const json = await courier('status', '--json', '--state-dir', device.stateDir);
    expect(JSON.parse(json.stdout)).toMatchObject({
      thing: 'device00',
      uploads: { done: 1, doneBytes: 5 },
      link: { state: 'up' },
      refusals: [],
    });
  });

  it('ls and show tell of each upload', async () => {
    const list = await courier('ls', '--state', 'done', '--state-dir', device.stateDir);
    expect(list.stdout).toMatch(/ID +STATE +SIZE +PATH +KEY\n *1 +done +5 B +a\.txt +device00\/outbox\/a\.txt\n/);
    const show = await courier('show', '1', '--json', '--state-dir', device.stateDir);
    expect(JSON.parse(show.stdout)).toMatchObject({
      id: 1,
      state: 'done',
      key: 'device00/outbox/a.txt',
      crc32: 'NhCmhg==',
      attempt: 1,
      failures: 0,
    });
  });

  it.each([
    { args: ['show', '99'], code: 1, message: /no upload 99; courier ls lists them/ },
    { args: ['ls', '--state', 'lost'], code: 1, message: /no state "lost"; there are queued/ },
    { args: ['show', 'x'], code: 2, message: /courier show ID takes a number, not "x"/ },
    { args: ['ls', '--limit', '-1'], code: 2, message: /see courier --help/ },
    { args: ['fly'], code: 2, message: /no command "fly"; see courier --help/ },
  ])('courier $args: $message', async ({ args, code, message }) => {
    const { code: got, stderr } = await courier(
      ...args,
      ...(args[0] === 'fly' ? [] : ['--state-dir', device.stateDir]),
    );
    expect(stderr).toMatch(message);
    expect(got).toBe(code);
  });

  it('a daemon that is not there, and a folder too deep for a socket, are said with the next step', async () => {
    expect(await courier('status', '--state-dir', join(dir, 'nobody'))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no daemon is running at .*nobody.*start one/) as string,
    });
    expect(await courier('status', '--state-dir', `/${'deep/'.repeat(30)}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Linux takes 107; choose a shorter state folder/) as string,
    });
  });

  it("the socket is its owner's alone, and survives nonsense", async () => {
    const path = join(device.stateDir, 'courier.sock');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(device.stateDir).mode & 0o777).toBe(0o700);
    for (const nonsense of [
      'not json\n',
      '{"command":"rm -rf"}\n',
      '[]\n',
      'null\n',
      '{"command":"show","id":"1 OR 1"}\n',
      'x'.repeat(200_000),
    ]) {
      await new Promise<void>((done) => {
        const socket = connect(path, () => socket.write(nonsense));
        socket
          .on('data', () => undefined)
          .on('error', () => undefined)
          .on('close', () => done());
      });
    }
    expect(device.isRunning).toBe(true);
    expect((await courier('status', '--state-dir', device.stateDir)).code).toBe(0);
  });

  it('a second one on the same state folder is refused', async () => {
    const { code, stderr } = await courier('run', '--config', device.configFile);
    expect(stderr).toMatch(/another courier is running with the state folder/);
    expect(code).toBe(2);
    expect((await device.status()).pid).toBe(device.pid);
  });

  it('bad configurations end at once, with all that is wrong', async () => {
    const file = join(dir, 'bad.yaml');
    writeFileSync(file, 'outboxes: [{path: x, key: "{nothing}"}]\ns3: {bucket: b, region: r}\n');
    const bad = await courier('run', '--config', file, '--state-dir', join(dir, 's2'));
    expect(bad).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no way to credentials|no placeholder/) as string,
    });
    expect(await courier('run', '--config', join(dir, 'absent.yaml'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cannot read the configuration/) as string,
    });
    expect(await courier('run', '--confg', file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--config/) as string,
    });
  });

  it('stops within 5 s, in the middle of a large file that hangs, and goes on from there', async () => {
    const stalled = cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 1, count: 2 });
    writeFileSync(join(device.outbox, 'big.bin'), Buffer.alloc(30 * 1024 * 1024, 7));
    await stalled.waitForHits();
    const before = performance.now();
    expect(await device.stop()).toBe(0);
    expect(performance.now() - before).toBeLessThan(5_000);
    stalled.release();
    cloud.faults.clear();
    device.start();
    await device.delivered(2);
    expect(cloud.counters.CreateMultipartUpload).toBe(1);
  });

  it("takes seed A's file as it is, with endpoint and CA from another", async () => {
    cloud.createBucket('swx-test-bucket');
    cloud.createRoleAlias('swx-test-role-alias', { policy: seedAPolicy('swx-test-bucket') });
    const thing = await cloud.createThing('device09');
    const folder = join(dir, 'seed-a');
    mkdirSync(join(folder, 'results'), { recursive: true });
    writeFileSync(
      join(folder, 'setting.conf'),
      `[DEVICE]\nCERT_PATH = ${thing.certificateFile}\nPRIVATE_KEY_PATH = ${thing.privateKeyFile}\n\n[AWS]\nIOT_CREDENTIAL_ENDPOINT = https://${cloud.credentialsEndpoint}\nIOT_ROLE_ALIAS = swx-test-role-alias\nBUCKET_NAME = swx-test-bucket\nPREFIX = swx-test-a\nANOTHER_PREFIX = swx-test-b\nFLIE_NAME = test.txt\n`,
    );
    writeFileSync(
      join(folder, 'more.yaml'),
      JSON.stringify({
        s3: { endpoint: cloud.s3Endpoint, caFile: cloud.caFile, pathStyle: true, region: cloud.region },
        credentials: { roleAlias: { caFile: cloud.caFile } },
        outboxes: [{ path: 'results', key: 'results/{path}', rescanSeconds: 0.2, settleSeconds: 0, claim: 'leave' }],
      }),
    );
    writeFileSync(join(folder, 'results', 'test.txt'), 'from seed A');
    const state = join(folder, 's');
    const configs = ['--config', join(folder, 'setting.conf'), '--config', join(folder, 'more.yaml')];
    const daemon = spawn(process.execPath, [COURIER, 'run', ...configs, '--state-dir', state], { stdio: 'ignore' });
    const ended = once(daemon, 'exit');
    await until('delivered', () => cloud.objects('swx-test-bucket').some(({ key }) => key === 'results/test.txt'));
    daemon.kill();
    expect(await ended).toEqual([0, null]);
    expect((await courier('status', '--state-dir', state)).code).toBe(1);
    expect(existsSync(join(state, 'ledger.sqlite'))).toBe(true);
  });

  it('the command is light: no SDK, no database in it', () => {
    expect(statSync(COURIER).size).toBeLessThan(64 * 1024);
  });
});
