import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Account } from '../account';
import { isAllowed } from '../policy';
import { authenticate } from '../s3/authenticate';
import { parseRequestHead } from '../s3/request-head';
import { S3Error } from '../s3/s3-error';
import type { MqttBroker } from './mqtt-broker';

/** The name that the SDK signs for. */
const SERVICE = 'iotdata';
const MAX_PAYLOAD_BYTES = 128 * 1024;

/** IoT's data plane as programs in the account call it: `POST /topics/<topic>?qos=1`, signed (SigV4). */
export class DataPlane {
  constructor(
    private readonly account: Account,
    private readonly broker: MqttBroker,
    private readonly now: () => number,
  ) {}

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const payload = Buffer.concat(chunks);
    const reply = (status: number, message: string, type?: string): void => {
      if (type !== undefined) response.setHeader('x-amzn-errortype', type);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message, traceId: crypto.randomUUID() }));
    };
    try {
      const [path = ''] = (request.url ?? '').split('?');
      const topic = /^\/topics\/([^/]+)$/.exec(path)?.[1];
      if (request.method !== 'POST' || topic === undefined) return reply(404, 'not found', 'ResourceNotFoundException');
      const name = decodeURIComponent(topic);
      const payloadHash = createHash('sha256').update(payload).digest('hex');
      // Any service but S3 signs the path once more encoded.
      const head = { ...parseRequestHead(request), path };
      const { identity } = authenticate(head, this.account, this.now(), { service: SERVICE, payloadHash });
      const resource = `arn:aws:iot:${this.account.region}:${this.account.accountId}:topic/${name}`;
      const access = { action: 'iot:Publish', resource, context: identity.variables };
      if (!isAllowed(identity.policies, access)) return reply(403, 'Forbidden', 'ForbiddenException');
      if (payload.length > MAX_PAYLOAD_BYTES) return reply(413, 'too large', 'RequestEntityTooLargeException');
      await this.broker.publish(name, payload);
      reply(200, 'OK');
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      reply(403, error.message, 'ForbiddenException');
    }
  }
}
