import type { IotMessage } from '../../src/cloud/handlers/inbox-notifier';
import { roleSessionName } from '../../src/cloud/handlers/role-session-name';
import { type AssumeRoleInput, type TokenVendorSettings, vendToken } from '../../src/cloud/handlers/token-vendor';

const SETTINGS = { roleArn: 'arn:aws:iam::123456789012:role/s3-role', bucket: 'fleet-bucket', durationSeconds: 900 };
const CREDENTIALS = {
  AccessKeyId: 'ASIA0123456789ABCDEF',
  SecretAccessKey: 'secret',
  SessionToken: 'token',
  Expiration: new Date(Date.UTC(2026, 0, 1)),
};

async function vend(name: unknown, requestId?: unknown, more: Partial<TokenVendorSettings> = {}) {
  const inputs: AssumeRoleInput[] = [];
  const messages: IotMessage[] = [];
  await vendToken(
    { name, ...(requestId === undefined ? {} : { requestId }) },
    { ...SETTINGS, ...more },
    async (input) => {
      inputs.push(input);
      return { Credentials: CREDENTIALS };
    },
    async (message) => messages.push(message),
  );
  return { inputs, messages };
}

describe('the function that vends tokens', () => {
  it('gives what may put into the folder of the thing, and nothing else', async () => {
    const { inputs, messages } = await vend('device00', 'r-1');
    expect(inputs).toEqual([
      { RoleArn: SETTINGS.roleArn, RoleSessionName: 'device00', DurationSeconds: 900, Policy: expect.any(String) },
    ]);
    expect(JSON.parse(inputs[0]!.Policy)).toEqual({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::fleet-bucket/device00/*' }],
    });
    expect(messages).toEqual([{ topic: 'device00/token/res', qos: 1, payload: expect.any(String) }]);
    expect(JSON.parse(messages[0]!.payload)).toEqual({
      ...CREDENTIALS,
      Expiration: '2026-01-01T00:00:00.000Z',
      requestId: 'r-1',
    });
  });

  it.each(['', '*', 'a/b', 'a b', '$' + '{aws:username}', 'x'.repeat(129), '+', '"}', undefined, null, 7, ['a']])(
    'a name that is none of a thing gets nothing: %j',
    async (name) => {
      expect(await vend(name)).toEqual({ inputs: [], messages: [] });
    },
  );

  it('what it gives may use the key of a bucket that is encrypted with one', async () => {
    const kmsKeyArn = 'arn:aws:kms:eu-central-1:123456789012:key/k';
    const { inputs } = await vend('device00', undefined, { kmsKeyArn });
    expect(JSON.parse(inputs[0]!.Policy).Statement).toEqual([
      { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::fleet-bucket/device00/*' },
      { Effect: 'Allow', Action: ['kms:GenerateDataKey', 'kms:Decrypt'], Resource: kmsKeyArn },
    ]);
  });

  it('speaks of the bucket in the partition of the role', async () => {
    const { inputs } = await vend('device00', undefined, { roleArn: 'arn:aws-cn:iam::123456789012:role/s3-role' });
    expect(JSON.parse(inputs[0]!.Policy).Statement[0].Resource).toBe('arn:aws-cn:s3:::fleet-bucket/device00/*');
  });

  it('the longest name fits', async () => {
    const name = `a:${'x'.repeat(126)}`;
    const { inputs } = await vend(name, undefined, {
      roleArn: 'arn:aws-us-gov:iam::123456789012:role/s3-role',
      bucket: 'b'.repeat(63),
      kmsKeyArn: `arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-${'1'.repeat(32)}`,
    });
    expect(inputs[0]!.Policy.length).toBeLessThanOrEqual(2_048);
    expect(inputs[0]!.RoleSessionName).toMatch(/^[\w+=,.@-]{2,64}$/);
  });

  it.each([undefined, 7, { a: 1 }, 'x'.repeat(65), 'a"b', ''])(
    'a request id that is none is not echoed: %j',
    async (id) => {
      const { messages } = await vend('device00', id);
      expect(JSON.parse(messages[0]!.payload)).not.toHaveProperty('requestId');
    },
  );

  it('what STS refuses is told by its name alone, and is in the log', async () => {
    const messages: IotMessage[] = [];
    const refused = Object.assign(new Error('User: arn:aws:sts::1:assumed-role/x is not authorized'), {
      name: 'AccessDenied',
    });
    const vending = vendToken(
      { name: 'device00' },
      SETTINGS,
      () => Promise.reject(refused),
      async (one) => messages.push(one),
    );
    await expect(vending).rejects.toBe(refused);
    expect(messages.map(({ payload }) => JSON.parse(payload))).toEqual([
      { error: 'the role cannot be assumed: AccessDenied' },
    ]);
  });
});

describe("a session's name", () => {
  it.each(['device00', 'ab', 'a-b_c', 'x'.repeat(64)])('is that of the thing where it may be: %s', (name) => {
    expect(roleSessionName(name)).toBe(name);
  });

  it("else fits nevertheless, and is no other thing's", () => {
    const names = ['a', 'a:b', 'a-b', `${'x'.repeat(64)}1`, `${'x'.repeat(64)}2`, ':', '::'].map(roleSessionName);
    for (const name of names) expect(name).toMatch(/^[\w+=,.@-]{2,64}$/);
    expect(new Set(names).size).toBe(names.length);
  });
});
