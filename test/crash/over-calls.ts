/** The shortest life has more. */
export const FEWEST_CALLS = 6;

/**
 * Every so many calls of a life, beginning at another one with each seed; where that is beyond its last, at one it has.
 * @param kill at the nth @returns false when the life ended in peace before
 */
export async function overCalls(seed: number, stride: number, kill: (n: number) => Promise<boolean>): Promise<void> {
  const first = 1 + (seed % stride);
  if (await kill(first)) {
    for (let n = first + stride; await kill(n); n += stride);
  } else if (first > FEWEST_CALLS) await kill(1 + (seed % FEWEST_CALLS));
}
