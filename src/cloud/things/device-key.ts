import './metadata-reflect';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { CloudError } from '../cloud-error';

const EC_P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A device's private key: made here, and never sent anywhere. What is asked for by it is known again by it. */
export class DeviceKey {
  readonly #spki: Buffer;

  /** @param pem PKCS #8 */
  private constructor(readonly pem: string) {
    this.#spki = createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'der' });
  }

  static generate(): DeviceKey {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: EC_P256.namedCurve });
    return new DeviceKey(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  }

  /** @throws Error when it is no private key */
  static parse(pem: string): DeviceKey {
    return new DeviceKey(pem);
  }

  /** Of the certificates that are made by this key, and no other's. At most 64 characters, as X.520 has it. */
  get commonName(): string {
    return `courier ${createHash('sha256').update(this.#spki).digest('hex').slice(0, 32)}`;
  }

  /** PKCS #10 @throws CloudError when it is of another kind than those that are made here */
  async makeRequest(): Promise<string> {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPrivateKey(this.pem);
    if (details?.namedCurve !== 'prime256v1')
      throw new CloudError(
        `the private key that is there (${details?.namedCurve ?? type}) is of another kind than the one a certificate is asked for by (EC P-256); move its folder away, and do it again`,
      );
    const keys = {
      privateKey: await importKey('pkcs8', createPrivateKey(this.pem).export({ type: 'pkcs8', format: 'der' }), 'sign'),
      publicKey: await importKey('spki', this.#spki, 'verify'),
    };
    const request = await Pkcs10CertificateRequestGenerator.create({
      name: `CN=${this.commonName}`,
      keys,
      signingAlgorithm: EC_P256,
    });
    return `${request.toString('pem')}\n`;
  }

  fits(certificatePem: string): boolean {
    const certificate = parseCertificate(certificatePem);
    return certificate?.publicKey.export({ type: 'spki', format: 'der' }).equals(this.#spki) === true;
  }

  /** Whether a certificate was asked for by this key: by its public key, or by the name, which no other request has. */
  asksFor(certificatePem: string): boolean {
    return this.fits(certificatePem) || parseCertificate(certificatePem)?.subject.includes(this.commonName) === true;
  }
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined; // somebody else's, of a kind we do not read
  }
}

const importKey = (format: 'pkcs8' | 'spki', der: Buffer, use: 'sign' | 'verify'): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey(format, der, EC_P256, true, [use]);
