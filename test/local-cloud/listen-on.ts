import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const TRY_AGAIN_MS = 50;
const GIVE_UP_MS = 60_000;

/**
 * Listens on loopback. A port that this had before may be the local end of somebody's connection by now: it is waited
 * for. @param port 0: chosen by the system @returns the port
 */
export async function listenOn(server: Server, port: number): Promise<number> {
  for (const deadline = Date.now() + GIVE_UP_MS; ; await delay(TRY_AGAIN_MS)) {
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening'); // or rejects with the error
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || Date.now() > deadline) throw error;
    }
  }
}
