import * as z from 'zod';
import { TransferError } from '../../domain/errors';
import { askJson, type JsonAnswer } from './ask-json';
import type { FreshCredentials } from './cached-credentials';

export interface TokenExchangeOptions {
  /** AWS_CONTAINER_CREDENTIALS_FULL_URI; its port changes at each start of the nucleus. */
  readonly uri: string;
  /** AWS_CONTAINER_AUTHORIZATION_TOKEN */
  readonly authorization: string;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

const answerSchema = z.object({
  AccessKeyId: z.string().min(1),
  SecretAccessKey: z.string().min(1),
  Token: z.string().min(1),
  Expiration: z.string().min(1),
});

/** Credentials of the token exchange role, from the Greengrass nucleus on this device. Its answers are JSON whatever content type it names. */
export class TokenExchange {
  constructor(private readonly options: TokenExchangeOptions) {}

  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_UNWELL, CREDENTIALS_REFUSED */
  async fetch(): Promise<FreshCredentials> {
    const { status, json, text } = await this.#ask();
    if (status >= 500)
      throw new TransferError(
        'CREDENTIALS_UNWELL',
        `the nucleus has no credentials now (status ${status}), and says so for a minute before it asks the cloud again; if it lasts, look into the nucleus's log`,
      );
    // Of the nucleus itself, and not of the cloud behind it: it does not know us.
    if ([400, 403, 404].includes(status) && !text.includes('TES responded'))
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        `the nucleus's token exchange does not know this process (status ${status}); restart the component, and check that its recipe depends on aws.greengrass.TokenExchangeService`,
      );
    if (status !== 200) {
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        `the cloud refuses the nucleus credentials (status ${status}${said(text)}), which the nucleus repeats for up to five minutes; check that the token exchange role exists, that its alias is in the nucleus configuration, and that the IoT policy allows iot:AssumeRoleWithCertificate on it`,
      );
    }
    if (json === null)
      throw new TransferError(
        'CREDENTIALS_UNWELL',
        "the nucleus has no credentials now, and does not say why; if it lasts, check the link and the token exchange role's alias, and look into the nucleus's log",
      ); // lite: offline, or refused
    const parsed = answerSchema.safeParse(json);
    const expiresMs = parsed.success ? Date.parse(parsed.data.Expiration) : Number.NaN;
    if (!parsed.success || Number.isNaN(expiresMs)) {
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        'the nucleus answered something other than credentials; look into the log of aws.greengrass.TokenExchangeService',
      );
    }
    const { AccessKeyId, SecretAccessKey, Token } = parsed.data;
    return {
      credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token },
      lifetimeMs: Math.max(0, expiresMs - this.options.nowMs()),
    };
  }

  async #ask(): Promise<JsonAnswer> {
    const { uri, authorization, timeoutMs } = this.options;
    try {
      return await askJson(new URL(uri), { headers: { authorization } }, timeoutMs);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new TransferError(
        'CREDENTIALS_UNREACHABLE',
        `no answer from the nucleus's token exchange (${code ?? message}); check that aws.greengrass.TokenExchangeService runs`,
        { cause },
      );
    }
  }
}

/** What the cloud told the nucleus. */
function said(text: string): string {
  const message = /"message"\s*:\s*"([^"]{1,200})"/.exec(text)?.[1];
  return message === undefined ? '' : `: ${message}`;
}
