import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from './daemon';
import { findFreePorts } from './free-ports';

const listen = (port: number) => ['-e', `require('net').createServer().listen(${port}, '127.0.0.1')`];
const deaf = (port: number) => ['-e', `process.on('SIGTERM', () => {}); ${listen(port)[1]}`];

describe('a daemon', () => {
  const dir = mkdtempSync(join(tmpdir(), 'daemon-'));
  const logFile = join(dir, 'out');
  afterAll(() => rmSync(dir, { recursive: true }));

  test('is ready when its port answers, and gone after stop', async () => {
    const [port = 0] = await findFreePorts(1);
    const daemon = new Daemon(process.execPath, listen(port), logFile);
    await daemon.waitForPort(port, 10_000);
    await daemon.stop();
    expect(daemon.running).toBe(false);
    expect(() => process.kill(daemon.pid ?? 0, 0)).toThrow('ESRCH');
  });

  test('that does not listen to SIGTERM is killed', async () => {
    const [port = 0] = await findFreePorts(1);
    const daemon = new Daemon(process.execPath, deaf(port), logFile);
    await daemon.waitForPort(port, 10_000);
    await daemon.stop(50);
    expect(daemon.running).toBe(false);
  });

  test('that ends instead of listening says why', async () => {
    const [port = 0] = await findFreePorts(1);
    const daemon = new Daemon(process.execPath, ['-e', 'throw new Error("no disk")'], logFile);
    await expect(daemon.waitForPort(port, 10_000)).rejects.toThrow(/ended before it listened[\s\S]*no disk/);
  });

  test('that is not installed says so', async () => {
    const [port = 0] = await findFreePorts(1);
    const daemon = new Daemon(join(dir, 'missing'), [], logFile);
    await expect(daemon.waitForPort(port, 10_000)).rejects.toThrow('ended before it listened');
    await daemon.stop();
  });
});
