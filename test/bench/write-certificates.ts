import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertificateAuthority, type PemPair } from '../support/certificates';

export interface CertificateAndKey {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
}

/** PEM files of one run's own certificate authority. */
export interface Certificates {
  readonly caFile: string;
  readonly server: CertificateAndKey;
  readonly device: CertificateAndKey;
}

export async function writeCertificates(dir: string, thingName: string): Promise<Certificates> {
  const ca = await CertificateAuthority.create('bench CA');
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, ca.pem.certificatePem);
  const write = (name: string, { certificatePem, privateKeyPem }: PemPair): CertificateAndKey => {
    const files = { certificateFile: join(dir, `${name}.crt.pem`), privateKeyFile: join(dir, `${name}.key.pem`) };
    writeFileSync(files.certificateFile, certificatePem);
    writeFileSync(files.privateKeyFile, privateKeyPem, { mode: 0o600 });
    return files;
  };
  return {
    caFile,
    server: write('server', await ca.issue({ commonName: 'localhost', hosts: ['localhost', '127.0.0.1', '::1'] })),
    device: write('device', await ca.issue({ commonName: thingName })),
  };
}
