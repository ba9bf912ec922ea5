import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

const LOWEST = 10_000;
const ENOUGH = 1_000;

/**
 * Ports of 127.0.0.1 that are free, all different. Not of those that the system gives to connections, as it may before
 * we use one; another test may take it still.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  const given = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const end = Number.parseInt(given, 10);
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer().listen(end - LOWEST < ENOUGH ? 0 : randomInt(LOWEST, end), '127.0.0.1');
    try {
      await once(server, 'listening');
      servers.push(server);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
