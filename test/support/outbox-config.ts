import { parseConfig } from '../../src/config/load-config';
import type { OutboxConfig } from '../../src/config/schema';

/** An outbox with the schema's defaults. */
export function outboxConfig(options: object = {}): OutboxConfig {
  const config = parseConfig(
    {
      thing: { name: 'device00', certificateFile: '/c', privateKeyFile: '/k' },
      s3: { bucket: 'fleet-bucket', region: 'eu-central-1' },
      credentials: {
        source: 'role-alias',
        roleAlias: { endpoint: 'c1.credentials.iot.eu-central-1.amazonaws.com', alias: 'a' },
      },
      outboxes: [{ path: '/data/outbox', ...options }],
    },
    {},
  );
  return config.outboxes[0]!;
}
