import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { BuiltComponent } from './built-component';
import { copyProject } from './copy-project';

const sums = (component: BuiltComponent): string[] =>
  [...component.files()].map(([path, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${path}`);

describe('two builds of a commit', () => {
  it('are the same bytes, in another folder, another zone and by a user with another umask', () => {
    const folder = copyProject();
    const umask = process.umask(0o077);
    let here: BuiltComponent | undefined;
    let there: BuiltComponent | undefined;
    try {
      here = BuiltComponent.build(undefined, { TZ: 'Pacific/Auckland' });
      process.umask(0o002);
      there = BuiltComponent.build(folder, { TZ: 'America/New_York', HOME: folder });
      process.stdout.write(`${sums(here).join('\n')}\n`);
      expect(sums(there)).toEqual(sums(here));
    } finally {
      process.umask(umask);
      here?.end();
      there?.end();
      rmSync(folder, { recursive: true });
    }
  });
});
