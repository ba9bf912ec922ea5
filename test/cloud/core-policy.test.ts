import type { Stack } from '../../src/cloud/account/read-stack';
import { makeCorePolicy } from '../../src/cloud/things/core-policy';
import { isAllowed, type PolicyDocument } from '../local-cloud/policy';

const WIDEST = {
  partition: 'aws-us-gov',
  region: 'us-gov-west-1',
  accountId: '123456789012',
  roleAlias: 'r'.repeat(128),
  vendsTokens: true,
} as Stack;

/** AWS IoT takes 2,048 characters, and the name stands in each topic. */
describe('the policy of a core device', () => {
  it.each([1, 64, 128])('is taken of a name of %d characters, and grants what it grants to all', (length) => {
    const thing = 'x'.repeat(length);
    const document = makeCorePolicy(WIDEST, thing) as PolicyDocument;
    expect(JSON.stringify(document).length).toBeLessThanOrEqual(2_048);
    const may = (action: string, resource: string): boolean =>
      isAllowed([document], {
        action: `iot:${action}`,
        resource: `arn:aws-us-gov:iot:us-gov-west-1:123456789012:${resource}`,
        context: {},
      });
    const topics = [`$aws/things/${thing}/jobs/a/update`, `$aws/things/${thing}/shadow/update`];
    const ours = [`courier/${thing}/inbox/pull`, `${thing}/token/req`];
    for (const topic of [...topics, `$aws/things/${thing}/greengrassv2/health/json`, ...ours])
      expect([topic, may('Publish', `topic/${topic}`)]).toEqual([topic, true]);
    for (const topic of [...topics, ...ours])
      expect([topic, may('Subscribe', `topicfilter/${topic}`)]).toEqual([topic, true]);
    expect(may('Connect', `client/${thing}#2`)).toBe(true);
    for (const topic of ['$aws/things/other/jobs/a/update', 'courier/other/inbox/pull', 'other/token/req'])
      expect([topic, may('Publish', `topic/${topic}`)]).toEqual([topic, false]);
  });
});
