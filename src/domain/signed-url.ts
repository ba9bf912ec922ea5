/** Where a URL leads, without what makes it valid: that is a credential. */
export const withoutQuery = ({ origin, pathname }: URL): string => `${origin}${pathname}`;

/** @returns when a URL that was signed by Signature V4 expires, Unix milliseconds, if it says so */
export function expiresAtMs({ searchParams }: URL): number | undefined {
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get('X-Amz-Date') ?? '');
  const seconds = Number(searchParams.get('X-Amz-Expires') ?? Number.NaN);
  if (date === null || !Number.isFinite(seconds)) return undefined;
  const [year, month, day, hour, minute, second] = date.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second) + seconds * 1000;
}
