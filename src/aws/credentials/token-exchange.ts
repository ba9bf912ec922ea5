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

  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_REFUSED */
  async fetch(): Promise<FreshCredentials> {
    const { status, json } = await this.#ask();
    if (status >= 500)
      throw new TransferError('CREDENTIALS_UNREACHABLE', `the nucleus has no credentials now (status ${status})`);
    if (status !== 200) {
      throw new TransferError(
        'CREDENTIALS_REFUSED',
        `the nucleus refuses credentials (status ${status}); check that the token exchange role exists and its alias is in the nucleus configuration, and that the component depends on aws.greengrass.TokenExchangeService`,
      );
    }
    if (json === null) throw new TransferError('CREDENTIALS_UNREACHABLE', 'the nucleus has no credentials now'); // lite, offline
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
        `no answer from the nucleus's token exchange (${code ?? message})`,
        { cause },
      );
    }
  }
}
