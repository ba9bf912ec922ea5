import fc from 'fast-check';
import { parseTrigger } from '../../src/inbox/parse-trigger';

const parse = (value: unknown) => parseTrigger(Buffer.from(JSON.stringify(value)), 'depot');
const s3Event = (key: string, more: object = {}) => ({
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'depot' }, object: { key } },
      ...more,
    },
  ],
});

describe('a message on the pull topic', () => {
  it.each([
    ['nothing', Buffer.alloc(0), { kind: 'all', id: undefined }],
    ['an empty object', Buffer.from('{}'), { kind: 'all', id: undefined }],
    ['an id', Buffer.from('{"id":"7"}'), { kind: 'all', id: '7' }],
    ['a number as id', Buffer.from('{"id":7}'), { kind: 'all', id: '7' }],
    ['keys', Buffer.from('{"keys":["a","b","a"],"id":"x"}'), { kind: 'keys', keys: ['a', 'b'], id: 'x' }],
  ])('%s', (_, payload, expected) => {
    expect(parseTrigger(payload, 'depot')).toEqual(expected);
  });

  it("reads S3's events, whose keys are spelt as in a form", () => {
    expect(parse(s3Event('device00/inbox/a+b%2Bc%C3%BC.txt'))).toEqual({
      kind: 'keys',
      keys: ['device00/inbox/a b+cü.txt'],
      id: undefined,
    });
    expect(parse(s3Event('a', { eventName: 'ObjectRemoved:Delete' }))).toEqual({ kind: 'nothing' });
    expect(parse({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'depot' })).toEqual({ kind: 'nothing' });
  });

  it("reads EventBridge's, whose keys are plain", () => {
    const event = {
      version: '0',
      'detail-type': 'Object Created',
      source: 'aws.s3',
      detail: { bucket: { name: 'depot' }, object: { key: 'a+b%20c' } },
    };
    expect(parse(event)).toEqual({ kind: 'keys', keys: ['a+b%20c'], id: undefined });
  });

  it("reads S3's within SNS, as a message and as a Lambda gets it", () => {
    const Message = JSON.stringify(s3Event('x+y'));
    const expected = { kind: 'keys', keys: ['x y'], id: undefined };
    expect(parse({ Type: 'Notification', Message })).toEqual(expected);
    expect(parse({ Records: [{ EventSource: 'aws:sns', Sns: { Message } }] })).toEqual(expected);
  });

  it.each([
    ['no JSON', Buffer.from('{'), 'not JSON'],
    ['a list', Buffer.from('[]'), 'no object'],
    ['another field', Buffer.from('{"key":"a","id":"9"}'), 'it has "key"'],
    ['keys that are none', Buffer.from('{"keys":"a"}'), 'no list of texts'],
    ['an empty key', Buffer.from('{"keys":[""]}'), 'no list of texts'],
    [
      'an event of another bucket',
      Buffer.from(JSON.stringify({ Records: [{ s3: { bucket: { name: 'x' }, object: { key: 'a' } } }] })),
      'the bucket x',
    ],
    ['a key no event has', Buffer.from(JSON.stringify(s3Event('%zz'))), 'not spelt as S3'],
    [
      'SNS within SNS within SNS',
      Buffer.from(
        JSON.stringify({
          Type: 'Notification',
          Message: JSON.stringify({
            Type: 'Notification',
            Message: JSON.stringify({ Type: 'Notification', Message: '{}' }),
          }),
        }),
      ),
      'within events',
    ],
  ])('%s is refused', (_, payload, why) => {
    expect(parseTrigger(payload, 'depot')).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(why) as string,
    });
  });

  it('never throws, whatever comes, and asks for nothing that is not text', () => {
    const value = fc.oneof(
      fc.json(),
      fc.string(),
      fc.jsonValue().map((inner) => JSON.stringify({ Records: [inner] })),
      fc.jsonValue().map((inner) => JSON.stringify({ Records: [{ s3: inner }] })),
      fc.jsonValue().map((inner) => JSON.stringify({ keys: inner })),
      fc.jsonValue().map((inner) => JSON.stringify({ 'detail-type': 'Object Created', detail: inner })),
      fc.jsonValue().map((inner) => JSON.stringify({ Type: 'Notification', Message: JSON.stringify(inner) })),
    );
    fc.assert(
      fc.property(value, (text) => {
        const trigger = parseTrigger(Buffer.from(text), 'depot');
        if (trigger.kind === 'keys') for (const key of trigger.keys) expect(typeof key).toBe('string');
        if (trigger.kind === 'refused') expect(trigger.reason.length).toBeLessThan(1_000);
      }),
      { numRuns: 2_000 },
    );
  });
});
