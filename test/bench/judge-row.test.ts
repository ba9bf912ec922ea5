import type { Run } from './competitor';
import { judgeLimit, judgeRatio } from './judge-row';

const took = (cpuMs: number): Run => ({
  ok: true,
  cpuMs,
  wallMs: 0,
  peakRssKib: 0,
  startedAtNs: 0n,
  requests: 1,
  firstRequestMs: 0,
});
const failed: Run = { ok: false, reason: 'moved other bytes' };
const atMostHalf = { is: 'at most', limit: 0.5 } as const;
const cpu = ({ cpuMs }: { readonly cpuMs: number }) => cpuMs;
const judge = (ours: readonly Run[], peer: readonly Run[] | { readonly absent: string }) =>
  judgeRatio('1', 'what', cpu, ours, peer, atMostHalf);

describe('judging a row', () => {
  it('divides medians', () => {
    expect(judge([took(1), took(90), took(5)], [took(10), took(0), took(20)])).toMatchObject({
      value: 5,
      peer: 10,
      ratio: 0.5,
      met: true,
    });
    expect(judge([took(5), took(7)], [took(10)])).toMatchObject({ value: 6, ratio: 0.6, met: false });
  });

  it('gives no ratio when one run of the peer failed, and does not blame ours', () => {
    expect(judge([took(1)], [took(100), failed])).toMatchObject({
      value: 1,
      peer: null,
      ratio: null,
      met: null,
      note: 'moved other bytes',
    });
  });

  it('gives no ratio against a peer that is not installed', () => {
    expect(judge([took(1)], { absent: 'rclone is not installed' })).toMatchObject({
      ratio: null,
      met: null,
      note: 'rclone is not installed',
    });
  });

  it('is not met when one run of ours failed', () => {
    expect(judge([took(1), failed], [took(100)])).toMatchObject({
      value: null,
      ratio: null,
      met: false,
      note: 'courier: moved other bytes',
    });
  });

  it('holds ours against a limit', () => {
    expect(judgeLimit('5', 'what', cpu, [took(75)], { is: 'at most', limit: 75 }, 'MiB').met).toBe(true);
    expect(judgeLimit('5', 'what', cpu, [took(76)], { is: 'at most', limit: 75 }, 'MiB').met).toBe(false);
    expect(judgeLimit('5', 'what', cpu, [took(76)], { is: 'printed beside', limit: 0 }, 'MiB').met).toBeNull();
  });
});
