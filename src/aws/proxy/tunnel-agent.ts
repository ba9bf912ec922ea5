import { Agent, type AgentOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';
import type { ChooseProxy } from '../../domain/choose-proxy';
import { TLS_FLOOR } from '../tls-floor';
import { openTunnel } from './open-tunnel';

type OnCreated = (error: Error | null, stream: Duplex) => void;

/** Node's agent for https, whose connections go through the proxy where there is one to the host. */
export class TunnelAgent extends Agent {
  constructor(
    private readonly choose: ChooseProxy,
    private readonly timeoutMs: number,
    options: AgentOptions,
  ) {
    super({ ...TLS_FLOOR, ...options });
  }

  override createConnection(options: ConnectionOptions, onCreated?: OnCreated): Duplex | null | undefined {
    const { host = 'localhost' } = options;
    const port = Number(options.port ?? 443);
    const proxy = this.choose(host, port);
    if (proxy === undefined) return super.createConnection(options, onCreated);
    openTunnel(proxy, host, port, this.timeoutMs).then(
      (socket) => onCreated!(null, connect({ ...(isIP(host) === 0 ? { servername: host } : {}), ...options, socket })),
      (error: Error) => onCreated!(error, undefined!),
    );
    return undefined;
  }
}
