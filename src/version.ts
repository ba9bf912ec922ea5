import { version } from '../package.json';

/** The one version: package.json's. */
export const VERSION: string = version;

/** Unix milliseconds. No device that runs this lives before: a clock that says so is wrong. Raised with releases. */
export const BUILT_AFTER_MS = Date.UTC(2026, 0, 1);
