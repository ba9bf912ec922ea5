import { startBeside } from './start-beside';

/** Small heaps: the device's memory is not ours. */
const NODE_FLAGS = ['--max-semi-space-size=4', '--max-old-space-size=128'];

/** The daemon. */
export const run = (args: readonly string[]): Promise<number> => startBeside('main.js', args, NODE_FLAGS);
