import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { TransferError } from '../../domain/errors';

export interface DeviceFileNames {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  /** undefined: the CA certificates Node.js brings along. */
  readonly caFile: string | undefined;
}

/** Of a certificate, in words that Date.parse takes. */
export interface Validity {
  readonly validFrom: string;
  readonly validTo: string;
}

/** PEM, as TLS takes it. */
export interface DeviceFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
}

/** Read at each use: a rotated certificate takes effect without a restart. @throws TransferError CREDENTIALS_REFUSED */
export function loadDeviceFiles({ certificateFile, privateKeyFile, caFile }: DeviceFileNames): DeviceFiles {
  const cert = readPem(certificateFile, 'the device certificate');
  const key = readPem(privateKeyFile, 'the private key');
  const ca = caFile === undefined ? undefined : readPem(caFile, 'the CA file');
  try {
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        `the private key ${privateKeyFile} does not belong to the certificate ${certificateFile}; copy the pair again`,
      );
    }
    return { cert, key, ca };
  } catch (cause) {
    if (cause instanceof TransferError) throw cause;
    throw new TransferError(
      'CREDENTIALS_REFUSED',
      `certificate ${certificateFile} or key ${privateKeyFile} is not usable PEM (${(cause as Error).message}); copy them again`,
      { cause },
    );
  }
}

/** @returns the certificate's dates, as it writes them @throws TransferError CREDENTIALS_REFUSED */
export function readValidity(certificateFile: string): Validity {
  const { validFrom, validTo } = new X509Certificate(readPem(certificateFile, 'the device certificate'));
  return { validFrom, validTo };
}

function readPem(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const step =
      code === 'EACCES'
        ? `let the daemon's user read it: setfacl -m u:${process.getuid?.()}:r ${file}`
        : 'check the path';
    throw new TransferError('CREDENTIALS_REFUSED', `cannot read ${what} ${file} (${code}); ${step}`, { cause });
  }
}
