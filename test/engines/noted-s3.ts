import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as send } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOperation } from '../local-cloud/s3/operations';
import { findQuery, parseRequestHead } from '../local-cloud/s3/request-head';
import { createLoopbackCertificate } from './loopback-certificate';

export interface NotedRequest {
  readonly operation: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** of a listing */
  readonly prefix: string | undefined;
  readonly status: number;
}

/** Stands before an S3 and writes down what is asked and how it is answered. The signature is of this name, which is handed on. */
export class NotedS3 {
  readonly requests: NotedRequest[] = [];

  private constructor(
    private readonly server: Server,
    private readonly dir: string,
    /** PEM of the authority behind `endpoint` */
    readonly caFile: string,
  ) {}

  /** @param behind endpoint without TLS */
  static async start(behind: string): Promise<NotedS3> {
    const dir = await mkdtemp(join(tmpdir(), 'noted-s3-'));
    const { caFile, certificateFile, keyFile } = await createLoopbackCertificate(dir);
    const server = createServer({ cert: readFileSync(certificateFile), key: readFileSync(keyFile) });
    const noted = new NotedS3(server, dir, caFile);
    const { hostname: host, port } = new URL(behind);
    server.on('request', (request, response) => {
      const head = parseRequestHead(request);
      const { method, url: path, headers } = request;
      const onward = send({ host, port, method, path, headers, agent: false }, (answer) => {
        noted.requests.push({
          operation: findOperation(head) ?? 'Unknown',
          bucket: head.bucket,
          key: head.key,
          prefix: findQuery(head, 'prefix'),
          status: answer.statusCode!,
        });
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return noted;
  }

  get endpoint(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((done) => this.server.close(done));
    this.server.closeAllConnections();
    await closed;
    await rm(this.dir, { recursive: true, force: true });
  }
}
