import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startBeside } from './start-beside';

/** What is done in the account. Packages for devices leave it out. */
export async function cloud(args: readonly string[]): Promise<number> {
  if (!existsSync(join(__dirname, 'cloud.js')))
    throw new Error('courier cloud is not part of the package for devices; run it where the project was built (dist/)');
  return startBeside('cloud.js', args);
}
