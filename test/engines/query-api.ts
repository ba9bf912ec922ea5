import type { AccessKeys, TemporaryKeys } from './engine';
import { sendSigned } from './signed-request';

export interface QueryApi {
  readonly endpoint: string;
  readonly ca: string | undefined;
  readonly region: string;
  readonly service: 'sts' | 'iam' | 'cloudformation';
  readonly keys: AccessKeys;
}

/** One action of IAM, STS or CloudFormation, whose parameters travel as a form. @returns the XML of the answer */
export async function callQueryApi(api: QueryApi, parameters: Readonly<Record<string, string>>): Promise<string> {
  const answer = await sendSigned({
    ...api,
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(parameters).toString(),
  });
  if (answer.status !== 200) throw new Error(`${parameters.Action}: ${answer.status} ${answer.text}`);
  return answer.text;
}

/** The keys in an answer to AssumeRole. */
export function parseTemporaryKeys(xml: string): TemporaryKeys {
  return {
    accessKeyId: getElement(xml, 'AccessKeyId'),
    secretAccessKey: getElement(xml, 'SecretAccessKey'),
    sessionToken: getElement(xml, 'SessionToken'),
    expiration: new Date(getElement(xml, 'Expiration')),
  };
}

export function getElement(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  if (text === undefined) throw new Error(`no <${name}> in ${xml}`);
  return text;
}
