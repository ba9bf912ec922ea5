import fc from 'fast-check';
import { AnswerReader } from '../../src/aws/s3/answer-reader';

const lines = (...of: string[]): string => of.map((line) => `${line}\r\n`).join('');

interface Seen {
  readonly status?: number;
  readonly text?: string;
  readonly keeps?: boolean;
  readonly continued: number;
}

/** What a reader makes of bytes that come in these pieces, and then of the end of the connection. */
function seenOf(pieces: readonly Buffer[], method = 'PUT'): Seen {
  let continued = 0;
  const reader = new AnswerReader(method, () => {
    continued += 1;
  });
  for (const piece of pieces) {
    const answer = reader.read(piece);
    if (answer !== undefined)
      return { status: answer.status, text: answer.text, keeps: reader.keepsConnection, continued };
  }
  const answer = reader.end();
  return answer === undefined
    ? { continued }
    : { status: answer.status, text: answer.text, keeps: reader.keepsConnection, continued };
}

const whole = (text: string, method?: string): Seen => seenOf([Buffer.from(text, 'latin1')], method);

const RIGHT: [string, string, Partial<Seen>][] = [
  [
    'no body',
    lines('HTTP/1.1 200 OK', 'ETag: "a"', 'Content-Length: 0', ''),
    { status: 200, text: '', keeps: true, continued: 0 },
  ],
  ['a length', `${lines('HTTP/1.1 403 Forbidden', 'content-length:5', '')}Error`, { text: 'Error', keeps: true }],
  [
    'chunks',
    `${lines('HTTP/1.1 400 Bad', 'Transfer-Encoding: chunked', '', '3', 'abc', 'A;x=1', '0123456789', '0', 'trailer: 1', '')}`,
    { text: 'abc0123456789', keeps: true },
  ],
  [
    '100 before it',
    `${lines('HTTP/1.1 100 Continue', '')}${lines('HTTP/1.1 200 OK', 'content-length: 0', '')}`,
    { status: 200, continued: 1 },
  ],
  ['no length', `${lines('HTTP/1.1 500 Error', '')}oh`, { status: 500, text: 'oh', keeps: false }],
  ['204', lines('HTTP/1.1 204 No Content', ''), { status: 204, keeps: true }],
  ['the wish to close', lines('HTTP/1.1 200 OK', 'content-length: 0', 'Connection: x, Close', ''), { keeps: false }],
  ['HTTP/1.0', lines('HTTP/1.0 200 OK', 'content-length: 0', ''), { keeps: false }],
  ['no reason', lines('HTTP/1.1 200', 'content-length: 0', ''), { status: 200 }],
  [
    'more than was asked for',
    `${lines('HTTP/1.1 200 OK', 'content-length: 0', '')}HTTP/1.1`,
    { status: 200, keeps: false },
  ],
];

test.each(RIGHT)('%s', (_, text, seen) => {
  expect(whole(text)).toMatchObject(seen);
});

test('what a HEAD is told of a body does not come', () => {
  const text = lines('HTTP/1.1 404 Not Found', 'content-length: 300', '');
  expect(whole(text, 'HEAD')).toMatchObject({ status: 404, text: '', keeps: true });
});

test('however it is cut, it is the same answer', () => {
  const all = RIGHT.map(([, text]) => Buffer.from(text, 'latin1')).filter((bytes) => !bytes.includes('HTTP/1.1', 20));
  fc.assert(
    fc.property(fc.constantFrom(...all), fc.array(fc.nat({ max: 120 })), (bytes, at) => {
      const cuts = [...new Set([0, ...at.map((one) => one % bytes.length), bytes.length])].sort((a, b) => a - b);
      const pieces = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
      expect(seenOf(pieces)).toEqual(seenOf([bytes]));
    }),
  );
});

test.each([
  ['another protocol', 'SSH-2.0-x\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
  ['an upgrade', 'HTTP/1.1 101 Switching\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n'],
  ['a length that is none', 'HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['another encoding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
  ['a blank before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\n'],
  ['a line without a colon', 'HTTP/1.1 200 OK\r\nnothing\r\n\r\n'],
  ['a line feed of its own', 'HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n'],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'],
  ['a chunk that is longer', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n'],
  ['a negative chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
])('%s is refused', (_, text) => {
  expect(() => whole(text)).toThrow();
});

test.each([
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab',
  'HTTP/1.1 200 OK\r\n',
  '',
])('cut off is no answer: %j', (text) => {
  expect(whole(text).status).toBeUndefined();
});

test('a long answer is read to its end, and its head kept', () => {
  const answer = whole(`${lines('HTTP/1.1 200 OK', 'content-length: 200000', '')}${'x'.repeat(200_000)}`);
  expect(answer.text?.length).toBeLessThan(65_537);
  expect(answer.keeps).toBe(true);
});

test('a header of a name that objects have is a header', () => {
  const reader = new AnswerReader('PUT', () => undefined);
  const answer = reader.read(
    Buffer.from(lines('HTTP/1.1 200 OK', '__proto__: a', 'X-A: 1', 'x-a: 2', 'content-length: 0', '')),
  );
  expect(answer?.headers['x-a']).toBe('1, 2');
  expect(answer?.headers.etag).toBeUndefined();
  expect(Object.getPrototypeOf(answer?.headers)).toBeNull();
});
