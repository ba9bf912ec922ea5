import { TransferError } from '../../domain/errors';
import { BUILT_AFTER_MS } from '../../version';
import { readValidity } from './device-files';

/** Milliseconds. */
export interface Times {
  /** As this device's clock has it. */
  readonly nowMs: number;
  /** As the cloud has told it; undefined as long as nobody has. */
  readonly knownNowMs: number | undefined;
}

/** @returns a sentence when this device's clock is wrong beyond doubt, and nobody has told us the time */
export function findClockProblem({ nowMs, knownNowMs }: Times): string | undefined {
  if ((knownNowMs ?? nowMs) >= BUILT_AFTER_MS) return undefined;
  return `this device's clock says ${iso(nowMs)}, when this program was not built yet; set the clock, for example by: timedatectl set-ntp true. Files wait and nothing is lost`;
}

/**
 * Of a device certificate that was refused: is it by its dates? Where the cloud has told the time it is the
 * certificate; else it may as well be our clock, and that is what it is taken for.
 * @throws TransferError CREDENTIALS_REFUSED when the file cannot be read
 */
export function findValidityProblem(certificateFile: string, { nowMs, knownNowMs }: Times): TransferError | undefined {
  const { validFrom, validTo } = readValidity(certificateFile);
  const atMs = knownNowMs ?? nowMs;
  const isOver = atMs > Date.parse(validTo);
  if (!isOver && atMs >= Date.parse(validFrom)) return undefined;
  const dates = isOver ? `expired on ${validTo}` : `is valid from ${validFrom}`;
  if (knownNowMs !== undefined)
    return new TransferError(
      'CREDENTIALS_REFUSED',
      `the device certificate ${certificateFile} ${dates}; put ${isOver ? 'a new' : 'a valid'} one in its place`,
    );
  return new TransferError(
    'CLOCK_WRONG',
    `the device certificate ${certificateFile} ${dates}, and this device's clock says ${iso(nowMs)}; set the clock, or if it is right put ${isOver ? 'a new' : 'a valid'} certificate in its place`,
  );
}

/** A server's certificate whose dates do not fit: whose fault it is, is seen where the time is known. */
export function explainServerDates(host: string, code: string, { nowMs, knownNowMs }: Times): TransferError {
  return new TransferError(
    'CLOCK_WRONG',
    knownNowMs !== undefined && Math.abs(knownNowMs - nowMs) < 3_600_000
      ? `the certificate of ${host} is not valid now (${code}), and this device's clock is right; have it renewed`
      : `by this device's clock (${iso(nowMs)}) the certificate of ${host} is not valid (${code}); set the clock, for example by: timedatectl set-ntp true`,
  );
}

const iso = (ms: number): string => new Date(ms).toISOString();
