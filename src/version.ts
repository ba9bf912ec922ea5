import { version } from '../package.json';

/** The one version: package.json's. */
export const VERSION: string = version;
