import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundleFunctions } from '../../src/build/bundle-functions';
import { makeTemplate, renderTemplate } from '../../src/cloud/template/make-template';

const COURIER = resolve(__dirname, '../../dist/courier.js');

function courier(args: readonly string[], file = COURIER) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('courier cloud', () => {
  it('prints the template, with the functions as they are', async () => {
    expect(courier(['cloud', 'template'])).toEqual({
      status: 0,
      stdout: renderTemplate(makeTemplate(await bundleFunctions())),
      stderr: '',
    });
  });

  it.each([[['cloud']], [['cloud', '--help']], [['cloud', 'template', '--help']]])('%j says how', (args) => {
    const { status, stdout } = courier(args);
    expect(status).toBe(0);
    expect(stdout).toContain('aws cloudformation deploy');
  });

  it.each([
    { args: ['cloud', 'fly'], message: /no command "cloud fly"; see courier cloud --help/ },
    { args: ['cloud', 'template', '--bucket'], message: /takes no "--bucket"; .* when it is deployed/ },
  ])('refuses $args', ({ args, message }) => {
    const { status, stdout, stderr } = courier(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('says when what it prints is not written', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [COURIER, 'cloud', 'template'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'courier: the output cannot be written (ENOSPC); see where it goes to, and do it again\n',
    });
  });

  it('says where it is where it is not: on devices', () => {
    const dir = mkdtempSync(join(tmpdir(), 'package-'));
    try {
      const alone = join(dir, 'courier.js');
      copyFileSync(COURIER, alone);
      const { status, stderr } = courier(['cloud', 'template'], alone);
      expect(status).toBe(1);
      expect(stderr).toMatch(/not part of the package for devices; run it where the project was built/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
