import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

/** Of Amazon Trust Services: what AWS IoT's endpoints (ATS) are signed by. They come with Node.js. */
export const findRootCa = (): string =>
  rootCertificates
    .filter((pem) => /^(?:O=Amazon$|CN=Starfield Services Root)/m.test(new X509Certificate(pem).subject))
    .map((pem) => `${pem}\n`)
    .join('');
