import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLATFORMS } from '../../src/build/native-parts';
import { VERSION } from '../../src/version';
import { LocalCloud } from '../local-cloud/local-cloud';
import { Device } from '../support/device';
import { itWhere } from '../support/needs';
import { BuiltComponent } from './built-component';
import { findCandidates, makePath } from './find-node';

/** One goes up by PutObject, the other in parts, for which the package loads the SDK. */
const SIZES = { 'small.csv': 1_000, 'large.bin': 9_000_000 };
/** An emulated Node.js takes its time. */
const WITHIN_MS = 240_000;

describe('the package in a bare folder', () => {
  let component: BuiltComponent;
  let dir: string;
  beforeAll(() => {
    component = BuiltComponent.build();
  });
  afterAll(() => component.end());
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'bare-folder-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  for (const candidate of PLATFORMS.flatMap(findCandidates)) {
    itWhere(candidate.missing, `installs and carries files with ${candidate.title}`, async () => {
      const shipped = join(dir, 'package');
      component.unpack(candidate.platform, shipped);
      const env = { PATH: makePath(join(dir, 'bin'), candidate) };
      const run = (command: string, ...args: string[]) => {
        const { status, stdout, stderr } = spawnSync(command, args, { cwd: '/', encoding: 'utf8', env });
        return { status, stdout, stderr };
      };
      expect(run('/bin/sh', join(shipped, 'install.sh'))).toEqual({ status: 0, stdout: '', stderr: '' });
      const node = join(dir, 'bin/node');
      const about =
        'console.log(process.version, process.arch, process.versions.modules, Object.keys(require(process.argv[1])).length > 0)';
      for (const part of [`better_sqlite3-${candidate.abi}.node`, 'aws-crt-nodejs.node']) {
        const loaded = run(node, '-e', about, join(shipped, part));
        process.stdout.write(`${candidate.title}: ${part} loads: ${loaded.stdout}`);
        expect(loaded).toEqual({
          status: 0,
          stdout: expect.stringMatching(
            new RegExp(`^v\\d+\\S+ ${candidate.platform.slice(6)} ${candidate.abi} true\\n$`),
          ),
          stderr: '',
        });
      }
      expect(run(node, join(shipped, 'main.js'), '--version').stdout).toBe(`${VERSION}\n`);

      const cloud = await LocalCloud.start({ dir: join(dir, 'cloud') });
      const device = await Device.create({
        dir: join(dir, 'device'),
        cloud,
        config: {
          upload: { stallSeconds: 60 },
          outboxes: [{ path: join(dir, 'device/outbox'), rescanSeconds: 0.2, settleSeconds: 0, deleteGraceSeconds: 0 }],
        },
      });
      try {
        for (const [name, size] of Object.entries(SIZES))
          writeFileSync(join(device.outbox, name), Buffer.alloc(size, name));
        // The words for this project's own Node.js and dist/main.js go; run.sh stands in their place.
        const instead = ['/bin/sh', '-c', 'shift 2; exec /bin/sh "$0" "$@"', join(shipped, 'run.sh')];
        device.start([], [], ['/usr/bin/env', '-i', `PATH=${env.PATH}`, ...instead]);
        await device.delivered(2, WITHIN_MS);
        for (const [name, size] of Object.entries(SIZES))
          expect(cloud.objects(device.bucket).find(({ key }) => key.endsWith(`/${name}`))).toMatchObject({
            sizeBytes: size,
          });
        const status = run(node, join(shipped, 'courier.js'), 'status', '--json', '--state-dir', device.stateDir);
        expect(JSON.parse(status.stdout)).toMatchObject({ version: VERSION, uploads: { done: 2 } });
        expect(await device.stop()).toBe(0);
      } finally {
        await device.kill();
        await cloud.stop();
      }
    });
  }
});
