import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreDevice } from '../support/core-device';
import { until } from '../support/until';
import { BuiltComponent } from './built-component';

/** This machine's own: what it takes to start Node.js here is at hand. */
const PLATFORM = `linux-${process.arch}`;

describe.each(['classic', 'lite'] as const)('the package under %s, with nothing but Node.js on the PATH', (kind) => {
  let component: BuiltComponent;
  let dir: string;
  let device: CoreDevice;

  beforeAll(() => {
    component = BuiltComponent.build();
  });
  afterAll(() => component.end());
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'under-nucleus-'));
    mkdirSync(join(dir, 'bin'));
    symlinkSync(process.execPath, join(dir, 'bin/node'));
    device = await CoreDevice.create({
      kind,
      accessControl: component.recipe().ComponentConfiguration.DefaultConfiguration.accessControl,
      configuration: { inbox: { dir: 'inbox' } },
    });
  });
  afterEach(async () => {
    await device.end();
    rmSync(dir, { recursive: true });
  });

  it('is installed and run as the recipe says, from configuration to files in S3 and back', async () => {
    const folder = join(dir, `thing-courier-${PLATFORM}`);
    component.unpack(PLATFORM, folder);
    const PATH = join(dir, 'bin');
    const installed = spawnSync('/bin/sh', [join(folder, 'install.sh')], { env: { PATH }, cwd: device.work });
    expect({ status: installed.status, output: String(installed.stdout) + String(installed.stderr) }).toEqual({
      status: 0,
      output: '',
    });
    await device.put('device00/inbox/setting.json', '{}');
    device.start({ PATH }, ['/bin/sh', join(folder, 'run.sh')]);
    for (let i = 0; i < 40; i++) device.drop(`small/${i}.txt`, String(i)); // more than are synced one by one
    device.drop('large.bin', Buffer.alloc(9_000_000, 7));
    const goal = (): boolean =>
      device.keys().filter((key) => key.startsWith('device00/outbox/')).length === 41 &&
      !device.keys().includes('device00/inbox/setting.json');
    await until('41 files up, one down', goal, () => device.output.split('\n').slice(-20), 120_000);
    expect(device.keys()).toContain('device00/archive/setting.json');
    await until('told of each', () => device.nucleus.topics.published.length >= 42);
    expect(await device.courier('status')).toMatch(/41 delivered/);
    expect((await device.status()).warnings).toEqual([]);
    expect((await device.status()).messages?.problems).toEqual([]);
    expect(await device.stop()).toBe(0);
  });
});
