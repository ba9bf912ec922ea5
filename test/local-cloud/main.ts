// npx tsx test/local-cloud/main.ts --dir D [--s3-port N] [--credentials-port N] [--mqtt-port N] [--no-record] [--min-presign-seconds N]
//   [--exit-with-stdin]
//
// Prints one JSON line when ready. Then each line on stdin is a command {"do": <name>, "args": [...], "id"?: any} and is
// answered by one line {"id", "ok": true, "value"} or {"id", "ok": false, "error"}; see remote-commands.ts for the names.
// Stops on SIGTERM and SIGINT, and with --exit-with-stdin when stdin ends (so that it cannot outlive its parent).
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { LocalCloud } from './local-cloud';
import { RemoteCommands } from './remote-commands';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string' },
      's3-port': { type: 'string', default: '0' },
      'credentials-port': { type: 'string', default: '0' },
      'mqtt-port': { type: 'string', default: '0' },
      'min-presign-seconds': { type: 'string' },
      'no-record': { type: 'boolean', default: false },
      'exit-with-stdin': { type: 'boolean', default: false },
    },
  });
  if (values.dir === undefined) throw new Error('--dir is missing');
  const cloud = await LocalCloud.start({
    dir: values.dir,
    s3Port: Number(values['s3-port']),
    credentialsPort: Number(values['credentials-port']),
    mqttPort: Number(values['mqtt-port']),
    recordRequests: !values['no-record'],
    ...(values['min-presign-seconds'] === undefined
      ? {}
      : { minPresignSeconds: Number(values['min-presign-seconds']) }),
  });
  const stop = (): void => {
    cloud.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const commands = new RemoteCommands(cloud);
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    void commands.run(line).then((answer) => process.stdout.write(`${answer}\n`));
  });
  if (values['exit-with-stdin']) lines.once('close', stop);
  const { s3Endpoint, credentialsEndpoint, mqttEndpoint, caFile, admin } = cloud;
  process.stdout.write(`${JSON.stringify({ s3Endpoint, credentialsEndpoint, mqttEndpoint, caFile, admin })}\n`);
}

void main();
