import { statSync } from 'node:fs';
import * as z from 'zod';
import { TransferError } from '../../domain/errors';
import { askJson, type JsonAnswer } from './ask-json';
import type { FreshCredentials } from './cached-credentials';
import { findValidityProblem, loadDeviceFiles } from './device-files';

export interface RoleAliasOptions {
  /** `host`, `host:port`, with or without `https://`. */
  readonly endpoint: string;
  readonly alias: string;
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  readonly caFile: string | undefined;
  /** Sent as `x-amzn-iot-thingname`; policy variables of the role are empty without it. */
  readonly thingName: string | undefined;
  readonly timeoutMs: number;
  readonly onServerDate: (date: string | undefined) => void;
  readonly nowMs: () => number;
}

const answerSchema = z.object({
  credentials: z.object({
    accessKeyId: z.string().min(1),
    secretAccessKey: z.string().min(1),
    sessionToken: z.string().min(1),
    expiration: z.string().min(1),
  }),
});

/**
 * Credentials of a role alias, by the device certificate.
 * https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
 */
export class RoleAlias {
  readonly #url: URL;

  constructor(private readonly options: RoleAliasOptions) {
    const host = options.endpoint.replace(/^https:\/\//, '').replace(/\/+$/, '');
    this.#url = new URL(`https://${host}/role-aliases/${encodeURIComponent(options.alias)}/credentials`);
  }

  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_REFUSED */
  async fetch(): Promise<FreshCredentials> {
    const answer = await this.#ask();
    const { status, date } = answer;
    this.options.onServerDate(date);
    if (status !== 200) throw this.#refused(status, messageOf(answer));
    const parsed = answerSchema.safeParse(answer.json);
    const expiresMs = parsed.success ? Date.parse(parsed.data.credentials.expiration) : Number.NaN;
    if (!parsed.success || Number.isNaN(expiresMs)) {
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        `${this.#url.host} answered something other than credentials; check credentials.roleAlias.endpoint`,
      );
    }
    const { accessKeyId, secretAccessKey, sessionToken } = parsed.data.credentials;
    const issuedMs = Date.parse(date ?? '') || this.options.nowMs();
    return {
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      lifetimeMs: Math.max(0, expiresMs - issuedMs),
    };
  }

  /** Sentences about the device's files that a person should read at start, before anything was refused. */
  findWarnings(): string[] {
    const { privateKeyFile } = this.options;
    try {
      const mode = statSync(privateKeyFile).mode & 0o777;
      if ((mode & 0o077) === 0) return [];
      return [
        `the private key ${privateKeyFile} can be read by others (mode ${mode.toString(8).padStart(4, '0')}); run: chmod 0600 ${privateKeyFile}`,
      ];
    } catch {
      return []; // reading it says why
    }
  }

  async #ask(): Promise<JsonAnswer> {
    const { thingName, timeoutMs } = this.options;
    const headers = thingName === undefined ? {} : { 'x-amzn-iot-thingname': thingName };
    const files = loadDeviceFiles(this.options);
    try {
      return await askJson(this.#url, { ...files, headers }, timeoutMs);
    } catch (error) {
      throw this.#explain(error as NodeJS.ErrnoException);
    }
  }

  /** Trouble before an HTTP answer: of the link, of the CA, or the endpoint's word about our certificate. */
  #explain(error: NodeJS.ErrnoException): TransferError {
    const code = error.code ?? '';
    const { host } = this.#url;
    if (/^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_SIGNATURE|CERT_UNTRUSTED|ERR_TLS_CERT_ALTNAME)/.test(code)) {
      const where =
        this.options.caFile === undefined ? 'the CA certificates Node.js brings along' : this.options.caFile;
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `${host} does not prove who it is by ${where} (${code}); check credentials.roleAlias.endpoint, or set credentials.roleAlias.caFile to its CA`,
        { cause: error },
      );
    }
    if (/^CERT_(NOT_YET_VALID|HAS_EXPIRED)$/.test(code)) {
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `by this device's clock (${new Date(this.options.nowMs()).toISOString()}) the certificate of ${host} is not valid (${code}); set the clock`,
        { cause: error },
      );
    }
    if (/^ERR_SSL_.*(ALERT|CERTIFICATE)/.test(code)) return this.#refused(undefined, code);
    return this.#unreachable(error);
  }

  #unreachable(error: NodeJS.ErrnoException): TransferError {
    return new TransferError(
      'CREDENTIALS_UNREACHABLE',
      `no answer from the credentials endpoint ${this.#url.host} (${error.code ?? error.message})`,
      { cause: error },
    );
  }

  /** 4xx are classified by what the body says: the numbers are not kept to. */
  #refused(status: number | undefined, message: string): TransferError {
    const { alias, certificateFile, thingName } = this.options;
    const said = `${this.#url.host}: ${[status, message].filter(Boolean).join(' ')}`;
    if (status !== undefined && (status >= 500 || status === 429)) {
      return new TransferError('CREDENTIALS_UNREACHABLE', `the credentials endpoint cannot answer now (${said})`);
    }
    const validity = findValidityProblem(certificateFile, this.options.nowMs());
    if (validity !== undefined) return new TransferError('CREDENTIALS_REFUSED', `${validity} (${said})`);
    if (/role alias/i.test(message) && (status === 404 || /not|exist|invalid/i.test(message))) {
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `there is no role alias "${alias}" (${said}); correct credentials.roleAlias.alias, or create it: aws iot create-role-alias`,
      );
    }
    const header = thingName === undefined ? '' : `, that it is attached to the thing ${thingName}`;
    return new TransferError(
      'CREDENTIALS_REFUSED',
      `the credentials endpoint refuses the certificate ${certificateFile} (${said}); check that it is active${header} and that its IoT policy allows iot:AssumeRoleWithCertificate on the alias "${alias}"`,
    );
  }
}

function messageOf({ json, text }: JsonAnswer): string {
  const message = (json as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : text.slice(0, 200).trim();
}
