import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComponentProcess } from '../support/nucleus/component-process';
import { Nucleus } from '../support/nucleus/nucleus';
import type { NucleusKind } from '../support/nucleus/switches';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'courier-')));
let nucleus: Nucleus;
let component: ComponentProcess;

async function run(kind: NucleusKind, script: string): Promise<void> {
  nucleus = await new Nucleus({ kind, configuration: { a: 1 }, switches: { restartAfterMs: 1 } }).start();
  const command = [process.execPath, '-e', script] as const;
  component = new ComponentProcess({ nucleus, command: [...command], workPath: join(dir, 'work') }).start();
}
afterEach(async () => {
  await component.stop();
  await nucleus.stop();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tell = 'console.log(JSON.stringify({ cwd: process.cwd(), env: process.env }));';
const stay = 'setInterval(() => undefined, 1000);';

it('gives its process the work path and no other environment than its own', async () => {
  process.env.AWS_ACCESS_KEY_ID = 'of the host';
  try {
    await run('classic', tell);
    await component.waitFor('its end', () => component.endings.length === 1);
    const { cwd, env } = JSON.parse(component.stdout);
    expect(cwd).toBe(join(dir, 'work'));
    expect(env).toEqual({ PATH: process.env.PATH, ...nucleus.env() });
    expect([component.starts, component.isRunning, component.isBroken]).toEqual([1, false, false]);
  } finally {
    delete process.env.AWS_ACCESS_KEY_ID;
  }
});

it('starts it again after an error, with a token that is good, and three times at most', async () => {
  await run('lite', `${tell} ${stay} process.on('SIGUSR2', () => process.exit(3)); console.error('up');`);
  const tokens = (): string[] =>
    component.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).env.SVCUID);
  for (let life = 1; life <= 3; life++) {
    await component.waitFor('it is up', () => component.stderr.split('up').length === life + 1);
    if (life === 2) nucleus.ipc.restartDaemon();
    process.kill(component.pid!, 'SIGUSR2');
    await component.waitFor('its end', () => component.endings.length === life);
  }
  const [first, second, third] = tokens();
  expect([first === second, second === third, third === nucleus.env().SVCUID]).toEqual([true, false, true]);
  expect([component.starts, component.isBroken, component.isRunning]).toEqual([3, true, false]);
});

it('restarts it after a deployment on lite, which is no error', async () => {
  await run('lite', `${stay} process.on('SIGTERM', () => process.exit(0)); console.error('up');`);
  await component.waitFor('it is up', () => component.stderr === 'up\n');
  await nucleus.deploy({ a: 2 });
  await component.waitFor('it is up again', () => component.stderr === 'up\nup\n');
  expect(component.endings).toEqual([{ code: 0, signal: null }]);
});

it('kills what does not end in time, five seconds on classic', async () => {
  await run('classic', `${stay} process.on('SIGTERM', () => console.error('no')); console.error('up');`);
  await component.waitFor('it is up', () => component.stderr === 'up\n');
  expect(nucleus.switches.killAfterMs).toBe(5_000);
  nucleus.switches.killAfterMs = 2_000;
  expect(await component.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  expect(component.stderr).toBe('up\nno\n');
  expect(component.starts).toBe(1);
});
