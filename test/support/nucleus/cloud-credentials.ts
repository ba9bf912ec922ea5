import { readFileSync } from 'node:fs';
import { askJson } from '../../../src/aws/credentials/ask-json';

/** What IoT's credentials endpoint answered, whatever it was; rejects where it could not be reached. */
export type AskCloud = () => Promise<{ readonly status: number; readonly body: string }>;

export interface CloudCredentialsOptions {
  /** host:port */
  readonly endpoint: string;
  readonly alias: string;
  readonly caFile: string;
  readonly thing: { readonly name: string; readonly certificateFile: string; readonly privateKeyFile: string };
  readonly timeoutMs?: number;
}

/** Asks as both nuclei do: the device's certificate, and the thing's name in a header. */
export function cloudCredentials({ endpoint, alias, caFile, thing, timeoutMs }: CloudCredentialsOptions): AskCloud {
  return async () => {
    const { status, text } = await askJson(
      new URL(`https://${endpoint}/role-aliases/${alias}/credentials`),
      {
        ca: readFileSync(caFile),
        cert: readFileSync(thing.certificateFile),
        key: readFileSync(thing.privateKeyFile),
        headers: { 'x-amzn-iot-thingname': thing.name },
      },
      timeoutMs ?? 30_000,
    );
    return { status, body: text };
  };
}
