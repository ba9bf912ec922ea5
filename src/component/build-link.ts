import type { S3Connection } from '../aws/s3/s3-connection';
import type { Clock } from '../clock';
import type { UploadConfig } from '../config/schema';
import { Link } from '../link/link';
import type { Log } from '../log';
import type { Credentials } from './build-credentials';

const PROBE_MAX_MS = 60_000;

/** @param onUp whatever waits for the cloud goes on */
export function buildLink(
  connection: S3Connection,
  credentials: Credentials,
  { probeMaxSeconds }: UploadConfig,
  onUp: () => void,
  { clock, dice, log }: { readonly clock: Clock; readonly dice: () => number; readonly log: Log },
): Link {
  const maxMs = probeMaxSeconds * 1000;
  return new Link(
    { s3: (signal) => connection.probe(signal), credentials: () => credentials.probe() },
    { baseMs: Math.min(1_000, maxMs), capMs: Math.min(PROBE_MAX_MS, maxMs) },
    clock,
    dice,
    log,
    onUp,
  );
}
