export interface RetryPolicy {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Full jitter over a doubling pause. There is no last attempt: a device may be offline for weeks. @param dice 0 ≤ dice < 1 */
export function backoffMs(failures: number, { baseMs, capMs }: RetryPolicy, dice: number): number {
  return Math.round(dice * Math.min(capMs, baseMs * 2 ** Math.min(failures, 30)));
}

/** For the pauses between probes: at least half of the full pause, or two devices in a row would still ask too often. */
export function probePauseMs(probes: number, policy: RetryPolicy, dice: number): number {
  const full = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(probes, 30));
  return Math.round(full / 2 + dice * (full / 2));
}
