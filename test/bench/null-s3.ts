import { readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { HttpConnection, type RequestHead } from './http-connection';
import type { NullS3Command, NullS3Event, NullS3Setup } from './null-s3-protocol';
import { type Received, ReceivedObjects } from './received-objects';
import { answerS3, type S3Answer } from './s3-answer';

// The process the load goes to: an S3 that checks checksums and keeps nothing, and a credentials endpoint of AWS IoT.

const objects = new ReceivedObjects();
let requests = 0;
let refused: string[] = [];
let firstRequestAtNs: bigint | undefined;
let expectedObjects = 0;
let benchDir: string | undefined;
let guardedPid: number | null = null;

const tell = (event: NullS3Event): unknown => process.send?.(event);

function begin(): void {
  firstRequestAtNs ??= process.hrtime.bigint();
  requests += 1;
}

function answer(head: RequestHead, received: Received): S3Answer {
  const before = objects.count;
  const made = answerS3(objects, head.method, head.url, head.headers, received);
  if (made.status >= 400 && head.method !== 'HEAD') {
    refused.push(`${head.method} ${head.url.split('?')[0]}: ${made.status}`);
  }
  if (objects.count === expectedObjects && before !== expectedObjects) tell({ event: 'all-arrived' });
  return made;
}

function sendCredentials(setup: NullS3Setup, request: IncomingMessage, response: ServerResponse): void {
  const { accessKeyId, secretAccessKey, sessionToken } = setup;
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  response.statusCode = request.url === '/role-aliases/bench/credentials' ? 200 : 404;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ credentials: { accessKeyId, secretAccessKey, sessionToken, expiration } }));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return (server.address() as AddressInfo).port;
}

async function setUp(setup: NullS3Setup): Promise<void> {
  const tls: TlsOptions = {
    cert: readFileSync(setup.certificateFile),
    key: readFileSync(setup.privateKeyFile),
    // What Amazon S3 picks, and the same for every client.
    ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
  };
  const s3Port = await listen(
    createTlsServer({ ...tls, noDelay: true }, (socket) => new HttpConnection(socket, { begin, answer })),
  );
  const mutual = { ...tls, ca: readFileSync(setup.caFile), requestCert: true, rejectUnauthorized: true };
  const credentialsPort = await listen(
    createHttpsServer(mutual, (request, response) => sendCredentials(setup, request, response)),
  );
  tell({ event: 'listening', s3Port, credentialsPort });
}

function expectObjects(count: number): void {
  objects.forget();
  requests = 0;
  refused = [];
  firstRequestAtNs = undefined;
  expectedObjects = count;
  tell({ event: 'ready' });
}

function report(): void {
  tell({
    event: 'report',
    report: { objects: objects.entries(), requests, refused, firstRequestAtNs: firstRequestAtNs?.toString() },
  });
}

process.on('message', (message: NullS3Command) => {
  switch (message.command) {
    case 'set-up':
      benchDir = message.setup.dir;
      void setUp(message.setup);
      break;
    case 'expect':
      expectObjects(message.objects);
      break;
    case 'report':
      report();
      break;
    case 'guard':
      guardedPid = message.pid;
      break;
  }
});
// tsx kills the bench when it is slow to answer a signal, so it is here that nothing is left behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => {
  if (guardedPid !== null) process.kill(guardedPid, 'SIGTERM');
  if (benchDir !== undefined) rmSync(benchDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(0);
});
