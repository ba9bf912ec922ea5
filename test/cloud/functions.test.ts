import { runInNewContext } from 'node:vm';
import { bundleFunctions } from '../../src/build/bundle-functions';
import type { FunctionCode } from '../../src/cloud/template/make-template';

interface Call {
  readonly client: string;
  readonly command: string;
  readonly input: Record<string, unknown>;
}

type Handler = (event: unknown) => Promise<void>;

const CREDENTIALS = {
  AccessKeyId: 'ASIA0123456789ABCDEF',
  SecretAccessKey: 'secret',
  SessionToken: 'token',
  Expiration: new Date(Date.UTC(2026, 0, 1)),
};

/** The text of the template as the runtime of AWS Lambda loads it, with an SDK that notes what it is asked. */
function load(code: string, env: Record<string, string>): { handler: Handler; calls: Call[] } {
  const calls: Call[] = [];
  const client = (name: string) =>
    class {
      async send(command: { name: string; input: Record<string, unknown> }): Promise<unknown> {
        calls.push({ client: name, command: command.name, input: command.input });
        return name === 'STS' ? { Credentials: CREDENTIALS } : {};
      }
    };
  const command = (name: string) =>
    class {
      readonly name = name;
      constructor(readonly input: Record<string, unknown>) {}
    };
  const modules: Record<string, unknown> = {
    '@aws-sdk/client-sts': { STSClient: client('STS'), AssumeRoleCommand: command('AssumeRole') },
    '@aws-sdk/client-iot-data-plane': { IoTDataPlaneClient: client('IoT'), PublishCommand: command('Publish') },
    'node:crypto': require('node:crypto'),
  };
  const module = { exports: {} as { handler: Handler } };
  const given = (name: string): unknown => {
    if (modules[name] === undefined) throw new Error(`the runtime has no ${name}`);
    return modules[name];
  };
  runInNewContext(code, { module, exports: module.exports, require: given, process: { env } });
  return { handler: module.exports.handler, calls };
}

describe('the functions, as they stand in the template', () => {
  let code: FunctionCode;
  beforeAll(async () => {
    code = await bundleFunctions();
  });

  it('the token vendor assumes the role of its environment, and answers the thing', async () => {
    const { handler, calls } = load(code.tokenVendor, {
      ROLE_ARN: 'arn:aws:iam::123456789012:role/s3-role',
      BUCKET: 'fleet-bucket',
    });
    await handler({ name: 'device00', requestId: '7' });
    expect(calls).toEqual([
      {
        client: 'STS',
        command: 'AssumeRole',
        input: {
          RoleArn: 'arn:aws:iam::123456789012:role/s3-role',
          RoleSessionName: 'device00',
          DurationSeconds: 3_600,
          Policy: expect.stringContaining('arn:aws:s3:::fleet-bucket/device00/*'),
        },
      },
      {
        client: 'IoT',
        command: 'Publish',
        input: { topic: 'device00/token/res', qos: 1, payload: expect.any(String) },
      },
    ]);
    expect(JSON.parse(calls[1]!.input.payload as string)).toEqual({
      ...CREDENTIALS,
      Expiration: '2026-01-01T00:00:00.000Z',
      requestId: '7',
    });
    expect(calls[0]!.input.Policy).not.toContain('kms');
  });

  it('the token vendor allows the key that its environment names', async () => {
    const KMS_KEY_ARN = 'arn:aws:kms:eu-central-1:123456789012:key/k';
    const { handler, calls } = load(code.tokenVendor, { ROLE_ARN: 'arn:aws:iam::1:role/r', BUCKET: 'b', KMS_KEY_ARN });
    await handler({ name: 'device00' });
    expect(calls[0]!.input.Policy).toContain(KMS_KEY_ARN);
  });

  it('the inbox notifier tells the thing whose inbox it is, and nobody else', async () => {
    const { handler, calls } = load(code.inboxNotifier, {});
    const event = (key: string): object => ({ id: 'e-1', detail: { bucket: { name: 'b' }, object: { key } } });
    await handler(event('device00/inbox/a b.txt'));
    await handler(event('device00/outbox/inbox/a.txt'));
    expect(calls).toEqual([
      {
        client: 'IoT',
        command: 'Publish',
        input: {
          topic: 'courier/device00/inbox/pull',
          qos: 1,
          payload: JSON.stringify({ id: 'e-1', keys: ['device00/inbox/a b.txt'] }),
        },
      },
    ]);
  });
});
