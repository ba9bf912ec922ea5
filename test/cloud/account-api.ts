import { readFileSync } from 'node:fs';
import type { Moto } from '../engines/moto';
import { callQueryApi } from '../engines/query-api';
import { type SignedRequest, sendSigned } from '../engines/signed-request';
import { parseXml, type XmlElement } from '../local-cloud/s3/xml';

// biome-ignore lint/suspicious/noExplicitAny: answers are of many shapes, and tests look at all of them
export type ApiAnswer = any;

const VERSIONS = { iam: '2010-05-08', cloudformation: '2010-05-15' };
const TARGETS = { events: 'AWSEvents', logs: 'Logs_20140328' };

/** The services of an account, as they are spoken to. */
export class AccountApi {
  private readonly ca: string;

  constructor(
    private readonly engine: Moto,
    readonly region: string,
  ) {
    this.ca = readFileSync(engine.caFile, 'utf8');
  }

  async query(service: keyof typeof VERSIONS, Action: string, parameters: Record<string, string>): Promise<XmlElement> {
    const { endpoint, admin: keys } = this.engine;
    const api = { endpoint, ca: this.ca, region: this.region, service, keys };
    return parseXml(await callQueryApi(api, { Action, Version: VERSIONS[service], ...parameters }));
  }

  /** By its protocol of POST alone. */
  ask(service: keyof typeof TARGETS, action: string, body: object): Promise<ApiAnswer> {
    const target = { 'x-amz-target': `${TARGETS[service]}.${action}`, 'content-type': 'application/x-amz-json-1.1' };
    return this.send({ service, method: 'POST', path: '/', headers: target, body: JSON.stringify(body) });
  }

  /** @param path escaped */
  rest(service: 'iot' | 'lambda', method: string, path: string, body?: object): Promise<ApiAnswer> {
    return this.send({ service, method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  }

  private async send(call: Omit<SignedRequest, 'endpoint' | 'ca' | 'region' | 'keys'>): Promise<ApiAnswer> {
    const { endpoint, admin: keys } = this.engine;
    const { status, text } = await sendSigned({ ...call, endpoint, ca: this.ca, region: this.region, keys });
    if (status >= 300) throw new Error(`${call.method} ${call.path} of ${call.service}: ${status} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }
}

/** All elements of that name, at any depth. */
export function elementsOf(root: XmlElement, name: string): XmlElement[] {
  return root.children.flatMap((child) => (child.name === name ? [child] : elementsOf(child, name)));
}

/** Of the first element of that name. */
export function textOf(root: XmlElement, name: string): string | undefined {
  return elementsOf(root, name)[0]?.text;
}
