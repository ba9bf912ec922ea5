import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprintOf, inodeOf } from '../../src/domain/fingerprint';
import { findOpenWriters } from '../../src/outbox/open-writers';
import { asUser, STRANGER } from '../support/as-user';
import { itWhere, missingForUsers } from '../support/needs';

describe('open writers', () => {
  let dir: string;
  let children: ChildProcess[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'writers-'));
  });
  afterEach(async () => {
    for (const child of children) {
      child.stdin!.end('\n');
      if (child.exitCode === null) await once(child, 'exit');
    }
    children = [];
    rmSync(dir, { recursive: true, force: true });
  });

  /** A process that has the file open in that way, and has said so. */
  async function holds(redirection: string): Promise<void> {
    const child = spawn('sh', ['-c', `exec 3${redirection}; echo ready; read x`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
  }
  const file = (name: string): string => {
    writeFileSync(join(dir, name), 'x');
    return join(dir, name);
  };
  const inode = (path: string): string => inodeOf(fingerprintOf(lstatSync(path, { bigint: true })));

  it.each(['>', '>>', '<>'])('are seen: %s', async (how) => {
    const [mine, other] = [file('mine'), file('other')];
    const wanted = [inode(mine), inode(other)];
    await holds(`${how}'${mine}'`);
    expect(wanted.filter((one) => findOpenWriters().held.has(one))).toEqual([inode(mine)]);
  });

  it('are no readers', async () => {
    const mine = file('mine');
    await holds(`<'${mine}'`);
    expect(findOpenWriters().held).not.toContain(inode(mine));
  });

  it('are seen through another name of the same file', async () => {
    const mine = file('mine');
    linkSync(mine, join(dir, 'link'));
    await holds(`>'${join(dir, 'link')}'`);
    expect(findOpenWriters().held).toContain(inode(mine));
  });

  itWhere(missingForUsers(), 'of other users cannot be seen, and that is counted', async () => {
    const mine = file('mine');
    await holds(`>'${mine}'`);
    expect(findOpenWriters().hiddenProcesses).toBe(0);
    const { held, hiddenProcesses } = asUser(STRANGER, () => findOpenWriters());
    expect(held).not.toContain(inode(mine));
    expect(hiddenProcesses).toBeGreaterThan(0);
  });
});
