export interface RunSettings {
  /** all kills that the promise is made for; else reduced counts */
  readonly full: boolean;
  readonly seed: number;
}

const FULL = 'CRASH_FULL';
const SEED = 'CRASH_SEED';

export const settingsToEnv = ({ full, seed }: RunSettings): Record<string, string> => ({
  [FULL]: full ? '1' : '0',
  [SEED]: String(seed),
});

export const settingsFromEnv = (env: NodeJS.ProcessEnv): RunSettings => ({
  full: env[FULL] === '1',
  seed: Number(env[SEED] ?? 1),
});
