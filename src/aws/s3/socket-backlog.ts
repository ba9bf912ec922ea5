import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Bytes of this connection that the kernel has taken from us and the peer has not acknowledged, from /proc/net/tcp.
 * On a slow link the kernel may hold megabytes for minutes after our last write: a shrinking number is progress that
 * no event tells. Undefined where it cannot be known.
 */
export function findSocketBacklog(socket: Socket): number | undefined {
  const { localPort, remotePort } = socket;
  if (localPort === undefined || remotePort === undefined) return undefined;
  const ports = [hexPort(localPort), hexPort(remotePort)];
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readTable(table)) {
      const [, local, remote, , queues] = line.trim().split(/\s+/);
      if (local?.endsWith(ports[0]!) && remote?.endsWith(ports[1]!))
        return Number.parseInt(queues?.split(':')[0] ?? '', 16);
    }
  }
  return undefined;
}

const hexPort = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;

function readTable(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(1);
  } catch {
    return []; // hardened away, or no IPv6: then only events count
  }
}
