import { CommandError } from '../cloud-error';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90s`, `10m`, `1h`, `2d`. @returns seconds @throws CommandError */
export function parseDuration(option: string, text: string): number {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined)
    throw new CommandError(`${option} takes a number and s, m, h or d, not "${text}"; write 90s, 10m or 1h`);
  return Number(count) * SECONDS[unit]!;
}
