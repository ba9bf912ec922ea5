export interface DeferralFacts {
  /** Under way. */
  readonly active: readonly { readonly sizeBytes: number; readonly sentBytes: number }[];
  readonly partSizeBytes: number;
  /** Since the update was announced first. */
  readonly waitedMs: number;
  readonly maxDeferMs: number;
}

/** Smaller ones end by themselves in the time a stop takes. */
const WORTH_WAITING_BYTES = 256 * 1024;
const ASK_AGAIN_MS = 5_000;

/** For how long an update is to wait, milliseconds; 0: it may stop us now. What is sent in parts loses none but the one under way. */
export function decideDeferral({ active, partSizeBytes, waitedMs, maxDeferMs }: DeferralFacts): number {
  const leftMs = maxDeferMs - waitedMs;
  const isNearEnd = active.some(
    ({ sizeBytes, sentBytes }) => sizeBytes > WORTH_WAITING_BYTES && sizeBytes - sentBytes <= partSizeBytes,
  );
  return isNearEnd && leftMs > 0 ? Math.ceil(Math.min(ASK_AGAIN_MS, leftMs)) : 0;
}
