import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { JobTaker } from '../support/job-taker';

let taker: JobTaker;

beforeEach(async () => {
  taker = await JobTaker.create();
  await taker.put('one', '1');
  await taker.courier.start();
});
afterEach(() => taker.end());

/** A file of the job's. */
const plain = (path: string) => ({ url: taker.url('one'), path });

/** An archive of the job's with files of these names. */
async function packed(path: string, ...names: readonly string[]) {
  const key = await taker.put(
    `${names.join('+')}.zip`,
    zipSync(Object.fromEntries(names.map((name) => [name, strToU8(`${path} ${name}`)]))),
  );
  return { url: taker.url(key), path, unpack: 'zip' };
}

describe('files of a job that would stand in the way of each other', () => {
  it.each<[string, () => Promise<object[]>, RegExp]>([
    ['an archive in a file', async () => [await packed('.', 'b', 'a/b'), plain('a')], /^a cannot be a file.* a\/b;/],
    ['a file in an archive', async () => [plain('x/y/z'), await packed('x', 'first', 'y')], /^x\/y cannot be a file/],
    ['two archives', async () => [await packed('x', 'n'), await packed('x', 'm', 'n')], /^two of .* would be x\/n;/],
    ['archives within', async () => [await packed('x', 'y/z'), await packed('x/y', 'z')], /^two of .* x\/y\/z;/],
    ['a file and an archive', async () => [plain('x/n'), await packed('x', 'm', 'n')], /^two of .* would be x\/n;/],
  ])('%s: none of them gets its name', async (_, files, reason) => {
    const { status, statusDetails } = await taker.ended(taker.send({ files: await files() }));
    expect([status, statusDetails.code, statusDetails.reason]).toEqual([
      'FAILED',
      'PATH_REFUSED',
      expect.stringMatching(reason),
    ]);
    expect(statusDetails.reason).toMatch(/; give (?:each a path of its own|one another path)$/);
    expect(taker.files).toEqual([]);
  });

  it('is told before anything is fetched where the document alone shows it', async () => {
    const { status, statusDetails } = await taker.ended(
      taker.send({ files: [plain('a'), await packed('a/deep/', 'b')] }),
    );
    expect([status, statusDetails.reason]).toEqual(['REJECTED', expect.stringMatching(/^a cannot be a file/)]);
    expect(taker.cloud.requests.filter(({ operation }) => operation === 'GetObject')).toEqual([]);
  });

  it('does not keep archives from one folder', async () => {
    const files = [await packed('x', 'a', 'd/b'), await packed('x', 'c', 'd/e'), plain('x/d/f')];
    const { status, statusDetails } = await taker.ended(taker.send({ files }));
    expect([status, statusDetails.files]).toEqual(['SUCCEEDED', '5']);
    expect(taker.files).toEqual(['x/a', 'x/c', 'x/d/b', 'x/d/e', 'x/d/f']);
  });
});

it('what is on the disk already and in the way of one file keeps all of them from their names', async () => {
  mkdirSync(join(taker.folder, 'folder'));
  writeFileSync(join(taker.folder, 'file'), 'mine');
  for (const files of [
    [plain('first'), await packed('.', 'second', 'folder')],
    [plain('first'), await packed('.', 'second', 'file/below')],
  ]) {
    const { status, statusDetails } = await taker.ended(taker.send({ files }));
    expect([status, statusDetails.code]).toEqual(['FAILED', 'PATH_REFUSED']);
    expect(taker.files).toEqual(['file']);
  }
  expect(taker.read('file').toString()).toBe('mine');
});
