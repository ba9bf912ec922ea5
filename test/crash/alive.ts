import { CrashPoint } from './crash-point';

/** Whose calls count now. One life ends before the next begins. */
export const alive = { crash: new CrashPoint(undefined) };
