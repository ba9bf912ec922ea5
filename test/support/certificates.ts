import '../../src/cloud/things/metadata-reflect';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const EC_P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

export interface PemPair {
  certificatePem: string;
  privateKeyPem: string;
}

export interface LeafOptions {
  commonName: string;
  /** host names and addresses of a server; none makes a client certificate */
  hosts?: string[];
  notBefore?: Date;
  /** a date in the past makes an expired certificate */
  notAfter?: Date;
}

/** A certificate authority of EC P-256 keys. Two instances are foreign to each other. */
export class CertificateAuthority {
  private constructor(
    readonly pem: PemPair,
    private readonly certificate: X509Certificate,
    private readonly privateKey: webcrypto.CryptoKey,
  ) {}

  static async create(commonName: string): Promise<CertificateAuthority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: randomSerial(),
      name: `CN=${commonName}`,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 3650 * DAY_MS),
      keys,
      signingAlgorithm: EC_P256,
      extensions: [
        new BasicConstraintsExtension(true, 1, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    });
    return new CertificateAuthority(await toPem(certificate, keys), certificate, keys.privateKey);
  }

  static async load(pem: PemPair): Promise<CertificateAuthority> {
    const der = Buffer.from(pem.privateKeyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const key = await webcrypto.subtle.importKey('pkcs8', der, EC_P256, true, ['sign']);
    return new CertificateAuthority(pem, new X509Certificate(pem.certificatePem), key);
  }

  async issue(options: LeafOptions): Promise<PemPair> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: `CN=${options.commonName}`,
      issuer: this.certificate.subject,
      notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
      notAfter: options.notAfter ?? new Date(Date.now() + 3650 * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: this.privateKey,
      signingAlgorithm: EC_P256,
      extensions: leafExtensions(options.hosts),
    });
    return toPem(certificate, keys);
  }

  /** A client certificate of the public key in a PKCS #10 request, with its subject. */
  async sign(requestPem: string): Promise<string> {
    const request = new Pkcs10CertificateRequest(requestPem);
    if (!(await request.verify())) throw new Error('the request is not signed by its own key');
    const certificate = await X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: request.subject,
      issuer: this.certificate.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 3650 * DAY_MS),
      publicKey: request.publicKey,
      signingKey: this.privateKey,
      signingAlgorithm: EC_P256,
      extensions: leafExtensions(undefined),
    });
    return `${certificate.toString('pem')}\n`;
  }
}

/** A private key that belongs to no certificate: for the error of a mismatched pair. */
export async function createLooseKeyPem(): Promise<string> {
  return keyPem((await generateKeys()).privateKey);
}

/** AWS IoT's certificate id: SHA-256 of the DER certificate, in hex. */
export function certificateIdOf(certificate: string | Buffer): string {
  const der = typeof certificate === 'string' ? Buffer.from(new X509Certificate(certificate).rawData) : certificate;
  return createHash('sha256').update(der).digest('hex');
}

function leafExtensions(hosts: string[] | undefined): Extension[] {
  const usage = new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true);
  if (hosts === undefined) return [usage, new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])];
  const names = hosts.map((host) => ({
    type: /^[\d.]+$|:/.test(host) ? ('ip' as const) : ('dns' as const),
    value: host,
  }));
  return [
    usage,
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(names),
  ];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(EC_P256, true, ['sign', 'verify']);
}

async function toPem(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<PemPair> {
  return { certificatePem: `${certificate.toString('pem')}\n`, privateKeyPem: await keyPem(keys.privateKey) };
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

function randomSerial(): string {
  // The first byte below 0x80 keeps the DER integer positive, above 0 keeps it minimal.
  return `4${randomBytes(15).toString('hex')}0`;
}
