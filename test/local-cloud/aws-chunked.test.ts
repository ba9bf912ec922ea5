import { crc32 } from 'node:zlib';
import { CloudFixture } from '../support/cloud-fixture';
import { type RawRequest, type RawS3, sha256 } from '../support/cloud-raw-s3';

let fixture: CloudFixture;
let raw: RawS3;

beforeAll(async () => {
  fixture = await CloudFixture.start();
  fixture.cloud.createBucket('depot');
  raw = fixture.raw();
});
afterAll(() => fixture.stop());

const put: RawRequest = { method: 'PUT', path: '/depot/put' };

describe('aws-chunked', () => {
  const data = 'd'.repeat(9000);
  const size = data.length.toString(16);
  const base = { 'x-amz-decoded-content-length': String(data.length), 'content-encoding': 'aws-chunked' };
  const unsigned = (frame: string, headers: Record<string, string> = {}): RawRequest => ({
    ...put,
    payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: { ...base, 'x-amz-trailer': 'x-amz-checksum-crc32', ...headers },
    frame: () => frame,
  });
  const signed = (frame: RawRequest['frame'] & object): RawRequest => ({
    ...put,
    payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    headers: base,
    frame,
  });
  const trailing = (crc: string): string => `x-amz-checksum-crc32:${crc}`;
  const signedTrailer = (crc: string, mend: (signature: string) => string): RawRequest => ({
    ...put,
    payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    headers: { ...base, 'x-amz-trailer': 'x-amz-checksum-crc32' },
    frame: (s) => {
      const chunks = `${size};chunk-signature=${s.chunk(data)}\r\n${data}\r\n0;chunk-signature=${s.chunk('')}\r\n`;
      const line = trailing(crc);
      return `${chunks}${line}\r\nx-amz-trailer-signature:${mend(s.trailer(`${line}\n`))}\r\n\r\n`;
    },
  });
  const half = data.slice(0, 8192);
  const rest = data.slice(8192);
  const other = (signature: string): string => signature.replace(/^./, (c) => (c === '0' ? '1' : '0'));
  test.each<[string, string, RawRequest]>([
    ['unsigned with trailer', '200', unsigned(`${size}\r\n${data}\r\n0\r\n${trailing(crcOf(data))}\r\n\r\n`)],
    [
      'in two chunks',
      '200',
      unsigned(`2000\r\n${half}\r\n${rest.length.toString(16)}\r\n${rest}\r\n0\r\n${trailing(crcOf(data))}\r\n\r\n`),
    ],
    ['wrong trailer', '400 BadDigest', unsigned(`${size}\r\n${data}\r\n0\r\n${trailing(crcOf('x'))}\r\n\r\n`)],
    ['malformed trailer', '400 InvalidRequest', unsigned(`${size}\r\n${data}\r\n0\r\n${trailing('xx')}\r\n\r\n`)],
    ['promised trailer missing', '400 MalformedTrailerError', unsigned(`${size}\r\n${data}\r\n0\r\n\r\n`)],
    ['trailer without a name', '400 MalformedTrailerError', unsigned(`${size}\r\n${data}\r\n0\r\nnonsense\r\n\r\n`)],
    ['trailer of an unknown kind', '400 InvalidRequest', unsigned('', { 'x-amz-trailer': 'x-amz-meta-a' })],
    [
      'small chunk before the last',
      '403 InvalidChunkSizeError',
      unsigned(`5\r\nddddd\r\n${(8995).toString(16)}\r\n${data.slice(5)}\r\n0\r\n${trailing(crcOf(data))}\r\n\r\n`),
    ],
    ['less than announced', '400 IncompleteBody', unsigned(`2000\r\n${half}\r\n0\r\n${trailing(crcOf(half))}\r\n\r\n`)],
    [
      'more than announced',
      '400 IncompleteBody',
      unsigned(`2329\r\n${data}d\r\n0\r\n${trailing(crcOf(`${data}d`))}\r\n\r\n`),
    ],
    ['framing without an end', '400 IncompleteBody', unsigned(`${size}\r\n${data}\r\n`)],
    ['no framing at all', '400 IncompleteBody', unsigned(`${data}\r\n`)],
    [
      'decoded length missing',
      '411 MissingContentLength',
      {
        ...put,
        payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        headers: { 'x-amz-trailer': 'x-amz-checksum-crc32' },
      },
    ],
    [
      'signed chunks',
      '200',
      signed((s) => `${size};chunk-signature=${s.chunk(data)}\r\n${data}\r\n0;chunk-signature=${s.chunk('')}\r\n\r\n`),
    ],
    [
      'a chunk altered',
      '403 SignatureDoesNotMatch',
      signed(
        (s) =>
          `${size};chunk-signature=${s.chunk(`x${data.slice(1)}`)}\r\n${data}\r\n0;chunk-signature=${s.chunk('')}\r\n\r\n`,
      ),
    ],
    [
      'last signature wrong',
      '403 SignatureDoesNotMatch',
      signed(
        (s) => `${size};chunk-signature=${s.chunk(data)}\r\n${data}\r\n0;chunk-signature=${other(s.chunk(''))}\r\n\r\n`,
      ),
    ],
    ['chunk signature missing', '403 AccessDenied', signed(() => `${size}\r\n${data}\r\n0\r\n\r\n`)],
    ['signed trailer', '200', signedTrailer(crcOf(data), (s) => s)],
    ['signed trailer, wrong checksum', '400 BadDigest', signedTrailer(crcOf('x'), (s) => s)],
    ['trailer signature wrong', '403 SignatureDoesNotMatch', signedTrailer(crcOf(data), other)],
  ])('%s → %s', async (_, expected, request) => {
    const answer = await raw.send({ ...request, path: '/depot/chunked' });
    expect(`${answer.status} ${answer.code ?? ''}`.trim()).toBe(expected);
    if (answer.status !== 200) return;
    expect(await fixture.cloud.sha256('depot', 'chunked')).toBe(sha256(data));
    expect(fixture.cloud.findObject('depot', 'chunked')?.headers).not.toHaveProperty('content-encoding');
  });
});

function crcOf(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
}
