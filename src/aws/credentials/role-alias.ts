import { statSync } from 'node:fs';
import * as z from 'zod';
import type { ChooseProxy } from '../../domain/choose-proxy';
import { TransferError } from '../../domain/errors';
import { askJson, type CallFailed, type JsonAnswer } from './ask-json';
import type { FreshCredentials } from './cached-credentials';
import { loadDeviceFiles } from './device-files';
import { explainServerDates, findValidityProblem, type Times } from './judge-time';

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
  /** The cloud's time, where it is known. */
  readonly knownNowMs: () => number | undefined;
  readonly chooseProxy?: ChooseProxy;
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

  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_UNWELL, CREDENTIALS_REFUSED, CLOCK_WRONG */
  async fetch(): Promise<FreshCredentials> {
    const answer = await this.#ask(); // also by a clock that is wrong: the answer brings the time
    const { status, date } = answer;
    this.options.onServerDate(date);
    if (status !== 200) throw this.#refused(status, messageOf(answer));
    const parsed = answerSchema.safeParse(answer.json);
    const expiresMs = parsed.success ? Date.parse(parsed.data.credentials.expiration) : Number.NaN;
    if (!parsed.success || Number.isNaN(expiresMs)) {
      // A proxy, a captive portal: something else answers in its place.
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

  get #times(): Times {
    return { nowMs: this.options.nowMs(), knownNowMs: this.options.knownNowMs() };
  }

  async #ask(): Promise<JsonAnswer> {
    const { thingName, timeoutMs, chooseProxy } = this.options;
    const headers = thingName === undefined ? {} : { 'x-amzn-iot-thingname': thingName };
    const files = loadDeviceFiles(this.options);
    try {
      return await askJson(this.#url, { ...files, headers }, timeoutMs, chooseProxy);
    } catch (error) {
      throw this.#explain(error as CallFailed);
    }
  }

  /** Trouble before an HTTP answer: of the link, of the CA, or the endpoint's word about our certificate. */
  #explain(error: CallFailed): TransferError {
    const { code } = error;
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
    if (/^CERT_(NOT_YET_VALID|HAS_EXPIRED)$/.test(code)) return explainServerDates(host, code, this.#times);
    if (/unsupported protocol|protocol version/i.test(error.message))
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `${host} speaks no TLS 1.2 or later (${code}); check credentials.roleAlias.endpoint, and what stands between`,
        { cause: error },
      );
    if (/^ERR_SSL_.*(ALERT|CERTIFICATE)/.test(code)) return this.#refused(undefined, code);
    if (code === 'PROXY_REFUSED') return new TransferError('CREDENTIALS_UNREACHABLE', error.message, { cause: error });
    return error.wasReached
      ? new TransferError(
          'CREDENTIALS_UNWELL',
          `the credentials endpoint ${host} breaks off or says nothing (${code}); if it lasts, check what stands between here and there`,
          { cause: error },
        )
      : new TransferError(
          'CREDENTIALS_UNREACHABLE',
          `no way to the credentials endpoint ${host} (${code}); if it lasts, check the network, its DNS, and credentials.roleAlias.endpoint`,
          { cause: error },
        );
  }

  /** 4xx are classified by what the body says: the numbers are not kept to. */
  #refused(status: number | undefined, message: string): TransferError {
    const { alias, certificateFile, thingName } = this.options;
    const said = `${this.#url.host}: ${[status, message].filter(Boolean).join(' ')}`;
    if (status !== undefined && (status >= 500 || status === 429)) {
      return new TransferError(
        'CREDENTIALS_UNWELL',
        `the credentials endpoint cannot answer now (${said}); it is asked again by itself, if it lasts look at health.aws.amazon.com`,
      );
    }
    const validity = findValidityProblem(certificateFile, this.#times);
    if (validity !== undefined) return validity;
    if (/role alias/i.test(message) && (status === 404 || /not|exist|invalid/i.test(message))) {
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `there is no role alias "${alias}" (${said}); correct credentials.roleAlias.alias, or create it: aws iot create-role-alias`,
      );
    }
    if (/MaxSessionDuration/i.test(message))
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `the role alias "${alias}" gives credentials for longer than its role allows (${said}); lower its credentialDurationSeconds: aws iot update-role-alias`,
      );
    if (/assume/i.test(message) && /role/i.test(message))
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `the role behind the alias "${alias}" cannot be assumed (${said}); check that it exists and lets credentials.iot.amazonaws.com assume it (sts:AssumeRole)`,
      );
    if (/thing name/i.test(message))
      return new TransferError(
        'CREDENTIALS_REFUSED',
        `the certificate ${certificateFile} does not belong to the thing ${thingName} (${said}); attach it: aws iot attach-thing-principal`,
      );
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
