import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Answer } from '../../src/aws/s3/answer-reader';
import { ConnectionPool } from '../../src/aws/s3/connection-pool';
import { exchange, type NoAnswer } from '../../src/aws/s3/exchange';
import type { Body } from '../../src/upload/body';
import { until } from '../support/until';

const MIB = 1024 * 1024;
const OK = 'HTTP/1.1 200 OK\r\netag: "a"\r\ncontent-length: 0\r\n\r\n';

/** A server that does, with each connection and the bytes it got so far, what the test says. */
class ScriptedServer {
  connections: Socket[] = [];
  onBytes: (socket: Socket, seen: string) => void = () => undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ScriptedServer> {
    const server = createServer();
    const scripted = new ScriptedServer(server);
    server.on('connection', (socket) => {
      scripted.connections.push(socket);
      let seen = '';
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        seen += bytes.toString('latin1');
        const before = seen;
        scripted.onBytes(socket, before);
        if (before.endsWith('\r\n\r\n') || before.endsWith('END')) seen = '';
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

let server: ScriptedServer;
let connections: ConnectionPool;
beforeEach(async () => {
  server = await ScriptedServer.start();
  connections = new ConnectionPool(undefined, 16);
});
afterEach(async () => {
  connections.close();
  await server.stop();
});

interface Sending {
  readonly body?: Body;
  readonly signal?: AbortSignal;
  readonly stallMs?: number;
  readonly headers?: Record<string, string>;
  readonly path?: string;
}

const send = ({ body, signal, stallMs = 10_000, headers = {}, path = '/a' }: Sending = {}): Promise<Answer> =>
  exchange({
    method: body === undefined ? 'HEAD' : 'PUT',
    url: server.url,
    path,
    headers: { host: 'a', ...(body === undefined ? {} : { 'content-length': String(body.sizeBytes) }), ...headers },
    body,
    connections,
    stallMs,
    signal: signal ?? new AbortController().signal,
  });

const bodyOf = (slices: readonly Buffer[]): Body => ({
  sizeBytes: slices.reduce((sum, { length }) => sum + length, 0),
  crc32: 0,
  md5: undefined,
  sha256: undefined,
  slices: () => [...slices],
});
const failureOf = (sent: Promise<Answer>): Promise<NoAnswer> =>
  sent.then(
    () => {
      throw new Error('it was answered');
    },
    (error: NoAnswer) => error,
  );

/** Answers every whole head without a body. */
const answerHeads =
  (text: string) =>
  (socket: Socket, seen: string): void => {
    if (seen.endsWith('\r\n\r\n')) socket.write(text);
  };

test('one connection serves one request after another', async () => {
  server.onBytes = answerHeads(OK);
  for (let i = 0; i < 3; i++) expect((await send()).status).toBe(200);
  expect(server.connections).toHaveLength(1);
});

test('requests at once have a connection each', async () => {
  server.onBytes = answerHeads(OK);
  await Promise.all([send(), send(), send()]);
  expect(server.connections).toHaveLength(3);
});

test('a small body leaves with its head, and the answer frees the connection', async () => {
  const heads: string[] = [];
  server.onBytes = (socket, seen) => {
    heads.push(seen);
    if (seen.endsWith('END')) socket.write(OK);
  };
  const body = bodyOf([Buffer.from('some bytes END')]);
  await send({ body });
  await send({ body });
  expect(heads).toEqual(Array(2).fill('PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 14\r\n\r\nsome bytes END'));
  expect(server.connections).toHaveLength(1);
});

test('a kept connection that the far end closes under a request is told apart', async () => {
  server.onBytes = answerHeads(OK);
  await send();
  server.onBytes = (socket) => socket.destroy();
  expect(await failureOf(send())).toMatchObject({ name: 'NoAnswer', reused: true });
  expect(await failureOf(send())).toMatchObject({ name: 'NoAnswer', reused: false });
});

test('a kept connection that the far end closed meanwhile is not used', async () => {
  server.onBytes = (socket, seen) => {
    if (seen.endsWith('\r\n\r\n')) socket.end(OK);
  };
  await send();
  const [first] = server.connections;
  await until('it is closed', () => first!.destroyed);
  expect((await send()).status).toBe(200);
  expect(server.connections).toHaveLength(2);
});

test.each([
  ['is cut', 'HTTP/1.1 200 OK\r\ncontent-le'],
  ['lacks a part of its body', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'],
])('an answer that %s is none, on a kept connection too', async (_, text) => {
  server.onBytes = answerHeads(OK);
  await send();
  server.onBytes = (socket) => socket.end(text);
  expect(await failureOf(send({ body: bodyOf([Buffer.from('END')]) }))).toMatchObject({
    name: 'NoAnswer',
    reused: false,
  });
});

test.each([
  ['not HTTP', 'SSH-2.0\r\n\r\n', 'not an answer'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 9\r\n\r\n', 'not an answer'],
])('%s is no answer, and its connection is gone', async (_, text, message) => {
  server.onBytes = answerHeads(text);
  expect((await failureOf(send())).message).toContain(message);
  server.onBytes = answerHeads(OK);
  await send();
  expect(server.connections).toHaveLength(2);
});

test.each([
  ['bytes nobody asked for', `${OK}HTTP/1.1 200 OK\r\n`],
  ['the wish to close', OK.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')],
  ['a second left', OK.replace('\r\n\r\n', '\r\nkeep-alive: timeout=1\r\n\r\n')],
])('after %s the connection does not serve again', async (_, text) => {
  server.onBytes = answerHeads(text);
  await send();
  expect((await send()).status).toBe(200);
  expect(server.connections).toHaveLength(2);
});

test('a large body waits for 100 Continue, and a refusal spares it', async () => {
  let bytes = 0;
  server.onBytes = (socket, seen) => {
    bytes += seen.length;
    if (seen.endsWith('expect: 100-continue\r\n\r\n'))
      socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
  };
  const body = bodyOf([Buffer.alloc(MIB), Buffer.alloc(MIB)]);
  expect((await send({ body })).status).toBe(403);
  expect(bytes).toBeLessThan(200);
  await until('the connection is closed', () => server.connections[0]!.destroyed);
});

test('a large body is sent whole after 100 Continue, slice after slice', async () => {
  const memory = Buffer.alloc(MIB, 'a');
  let sent = 0;
  const body: Body = {
    ...bodyOf([memory, memory, memory]),
    // The same memory each time: what has not left by then would arrive changed.
    *slices() {
      for (const letter of 'abc') yield memory.fill(letter);
    },
  };
  const counts = { a: 0, b: 0, c: 0 };
  server.onBytes = (socket, seen) => {
    if (seen.endsWith('\r\n\r\n')) {
      socket.removeAllListeners('data');
      socket.on('data', (bytes: Buffer) => {
        for (const byte of bytes) counts[String.fromCharCode(byte) as 'a']++;
        sent += bytes.length;
        if (sent === 3 * MIB) socket.write(OK);
      });
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
  };
  expect((await send({ body })).status).toBe(200);
  expect(counts).toEqual({ a: MIB, b: MIB, c: MIB });
});

test('refused in mid-body, the rest is not sent', async () => {
  let asked = 0;
  const slice = Buffer.alloc(64 * 1024);
  const body: Body = {
    ...bodyOf([]),
    sizeBytes: 1_000 * slice.length - 1,
    *slices() {
      for (; asked < 1_000; asked++) yield slice;
    },
  };
  server.onBytes = (socket, seen) => {
    if (seen.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    else {
      socket.pause();
      socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    }
  };
  expect((await send({ body })).status).toBe(400);
  expect(asked).toBeLessThan(1_000);
});

test('what reading the body throws is what the exchange throws', async () => {
  const sudden: Body = {
    ...bodyOf([]),
    slices: () => {
      throw new Error('the disk is gone');
    },
  };
  expect((await failureOf(send({ body: sudden }))).message).toBe('the disk is gone');
  const body: Body = {
    ...bodyOf([]),
    sizeBytes: 10,
    slices: () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('the disk is gone')) }),
    }),
  };
  expect((await failureOf(send({ body }))).message).toBe('the disk is gone');
});

test('a request that moves nothing is given up', async () => {
  expect((await failureOf(send({ stallMs: 50 }))).message).toContain('no byte moved');
});

test('stopping ends it, before and meanwhile', async () => {
  const stop = new AbortController();
  const sent = failureOf(send({ signal: stop.signal }));
  await until('it is connected', () => server.connections.length === 1);
  stop.abort();
  expect((await sent).message).toBe('stopping');
  expect((await failureOf(send({ signal: stop.signal }))).message).toBe('stopping');
  await until('the connection is closed', () => server.connections[0]!.destroyed);
});

test.each([
  ['a header', { headers: { 'x-a': 'b\r\nx-c: d' } }],
  ['a path', { path: '/a HTTP/1.1\r\nx: y' }],
])('%s that would begin another is not sent', async (_, sending) => {
  await failureOf(send(sending));
  expect(server.connections).toHaveLength(0);
});

test('nobody there is no answer', async () => {
  const url = server.url;
  await server.stop();
  const failure = await failureOf(
    exchange({
      method: 'HEAD',
      url,
      path: '/',
      headers: {},
      connections,
      stallMs: 1_000,
      signal: new AbortController().signal,
    }),
  );
  expect(failure).toMatchObject({ message: 'ECONNREFUSED', reused: false });
  server = await ScriptedServer.start();
});
