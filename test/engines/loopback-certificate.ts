import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertificateAuthority } from '../support/certificates';

export interface LoopbackCertificate {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate for 127.0.0.1 and localhost and the authority that signed it, as PEM files in `dir`. */
export async function createLoopbackCertificate(dir: string): Promise<LoopbackCertificate> {
  const authority = await CertificateAuthority.create('engines of one test run');
  const server = await authority.issue({ commonName: 'localhost', hosts: ['localhost', '127.0.0.1'] });
  const files = {
    caFile: join(dir, 'ca.pem'),
    certificateFile: join(dir, 'server.pem'),
    keyFile: join(dir, 'server.key'),
  };
  await writeFile(files.caFile, authority.pem.certificatePem);
  await writeFile(files.certificateFile, server.certificatePem);
  await writeFile(files.keyFile, server.privateKeyPem, { mode: 0o600 });
  return files;
}
