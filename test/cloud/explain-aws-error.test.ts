import { explainAwsError, isPassing } from '../../src/cloud/account/explain-aws-error';

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

describe('what AWS refuses by, as a sentence', () => {
  it('tells of an endpoint that takes a request and says nothing', () => {
    const silent = named(
      'TimeoutError',
      '@smithy/node-http-handler - the request socket timed out after 30000 ms of inactivity.',
    );
    expect(explainAwsError(silent)).toBe(
      'AWS does not answer (TimeoutError: the request socket timed out after 30000 ms of inactivity); see the network, --region and --endpoint-url, and do it again: it goes on where it was',
    );
    expect(isPassing(silent)).toBe(true);
  });
});
