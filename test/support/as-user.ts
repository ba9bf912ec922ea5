/** A user who is neither root nor owns anything here. */
export const STRANGER = 65_534;

/** Runs something synchronous with the rights of another user; needs root. */
export function asUser<T>(uid: number, work: () => T): T {
  process.setegid!(uid);
  process.seteuid!(uid);
  try {
    return work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}
