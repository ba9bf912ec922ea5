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

  it.each([
    {
      because: 'because no identity-based policy allows the iot:CreateThing action',
      sentence:
        'arn:aws:iam::1:user/a may not iot:CreateThing on arn:aws:iot:eu-central-1:1:thing/x; allow that, or take another --profile, and do it again: it goes on where it was',
    },
    {
      because: 'with an explicit deny in a service control policy',
      sentence:
        'arn:aws:iam::1:user/a may not iot:CreateThing on arn:aws:iot:eu-central-1:1:thing/x, an explicit deny in a service control policy; allow that, or take another --profile, and do it again: it goes on where it was',
    },
  ])('tells who may not do what, and what forbids it: $because', ({ because, sentence }) => {
    const said = `User: arn:aws:iam::1:user/a is not authorized to perform: iot:CreateThing on resource: arn:aws:iot:eu-central-1:1:thing/x ${because}`;
    expect(explainAwsError(named('AccessDeniedException', said))).toBe(sentence);
  });
});
