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

/** The same until what it began is over. Everything else in the process has these rights meanwhile. */
export async function whileUser<T>(uid: number, work: () => Promise<T>): Promise<T> {
  process.setegid!(uid);
  process.seteuid!(uid);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}
