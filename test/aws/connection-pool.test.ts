import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { ConnectionPool } from '../../src/aws/s3/connection-pool';
import { exchange } from '../../src/aws/s3/exchange';
import { CertificateAuthority } from '../support/certificates';

const OK = 'HTTP/1.1 200 OK\r\netag: "a"\r\ncontent-length: 0\r\n\r\n';

let authority: CertificateAuthority;
let server: Server;
let sockets: TLSSocket[];
let received: string;
let resumed: boolean[];
beforeEach(async () => {
  authority = await CertificateAuthority.create('of this test');
  const { certificatePem, privateKeyPem } = await authority.issue({ commonName: 'localhost', hosts: ['localhost'] });
  sockets = [];
  received = '';
  resumed = [];
  server = createServer({ cert: certificatePem, key: privateKeyPem }, (socket) => {
    sockets.push(socket);
    resumed.push(socket.isSessionReused());
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      socket.write(OK);
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
});

const send = (connections: ConnectionPool, host = 'localhost') =>
  exchange({
    method: 'HEAD',
    url: new URL(`https://${host}:${(server.address() as AddressInfo).port}`),
    path: '/',
    headers: { host, 'x-amz-security-token': 'secret' },
    connections,
    stallMs: 10_000,
    signal: new AbortController().signal,
  });

test('who does not prove who it is gets no byte of the request', async () => {
  const connections = new ConnectionPool(undefined, 16);
  await expect(send(connections)).rejects.toMatchObject({ message: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  const known = new ConnectionPool(Buffer.from(authority.pem.certificatePem), 16);
  await expect(send(known, '127.0.0.1')).rejects.toMatchObject({ message: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  expect(received).toBe('');
});

test('a new connection resumes the session of an earlier one', async () => {
  const connections = new ConnectionPool(Buffer.from(authority.pem.certificatePem), 0); // keeps none
  await send(connections);
  await send(connections);
  connections.close();
  expect(resumed).toEqual([false, true]);
});
