import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Landing } from '../../src/download/landing';
import type { WholeFile } from '../../src/download/whole-file';

/** What an attempt finds that comes after a kill or a power cut; on FAT every inode has another number then. */
describe('landing again', () => {
  let dir: string;
  let landing: Landing;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'landing-'));
    landing = Landing.open(dir, 'a.txt', '7');
  });
  afterEach(() => {
    landing.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const place = (name: string, content: string): string => {
    writeFileSync(join(dir, name), content);
    return String(statSync(join(dir, name), { bigint: true }).ino);
  };
  const whole = (content: string, inode: string): WholeFile => ({
    inode,
    sizeBytes: content.length,
    crc32: crc32(content),
  });
  const landed = async (file: WholeFile) => (await landing.findLanded(file))?.toString();

  it('knows what has landed by its inode, whatever was written into it since', async () => {
    place('a.txt', 'another');
    const inode = place('a (1).txt', 'ours, and more');
    expect(await landed(whole('ours', inode))).toBe('a (1).txt');
  });

  it('knows what has landed by its content, where inodes have changed', async () => {
    place('a.txt', 'hers');
    place('a (1).txt', 'ours');
    expect(await landed(whole('ours', '1'))).toBe('a (1).txt');
    expect(await landed(whole('mine', '1'))).toBeUndefined();
    expect(await landed(whole('our', '1'))).toBeUndefined();
  });

  it('takes another file whose inode has the number now for none of ours, while the temporary file is there', async () => {
    const inode = place('a.txt', 'hers');
    place('.courier-7', 'ours');
    expect(await landed(whole('ours', inode))).toBeUndefined();
    expect(await landing.holds(whole('ours', inode))).toBe(true);
    expect(landing.land('rename')?.toString()).toBe('a (1).txt');
    expect(readFileSync(join(dir, 'a.txt'), 'utf8')).toBe('hers');
  });

  it('lands what was not landed, also where its inode has changed, and nothing that is not whole', async () => {
    place('.courier-7', 'ours');
    expect(await landing.holds(whole('ours', '1'))).toBe(true);
    expect(await landing.holds(whole('ours and more', '1'))).toBe(false);
    expect(await landing.holds(whole('mine', '1'))).toBe(false);
  });

  it('ends a landing that was killed between its two names', async () => {
    const inode = place('.courier-7', 'ours');
    linkSync(join(dir, '.courier-7'), join(dir, 'a.txt'));
    expect(await landed(whole('ours', inode))).toBe('a.txt');
    landing.discard();
    expect(readdirSync(dir)).toEqual(['a.txt']);
  });
});
