import { ChunkedDecoder } from './chunked-decoder';

function decode(
  framed: string,
  pieceBytes: number,
): { readonly payload: string; readonly ended: boolean; rest: string } {
  const payload: Buffer[] = [];
  const decoder = new ChunkedDecoder((bytes) => payload.push(Buffer.from(bytes)));
  const bytes = Buffer.from(framed, 'latin1');
  let at = 0;
  while (at < bytes.length && !decoder.ended) at += decoder.write(bytes.subarray(at, at + pieceBytes));
  return { payload: Buffer.concat(payload).toString('latin1'), ended: decoder.ended, rest: framed.slice(at) };
}

describe('chunked decoder', () => {
  it.each([1, 2, 3, 7, 1000])('takes the framing off in pieces of %d bytes', (pieceBytes) => {
    const framed = '5\r\nhello\r\n6;chunk-signature=ab\r\n\r\n0\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n';
    expect(decode(framed, pieceBytes)).toEqual({ payload: 'hello\r\n0\r\n!', ended: true, rest: '' });
  });

  it('leaves what follows the body', () => {
    expect(decode('1\r\na\r\n0\r\n\r\nPUT /next', 1000)).toEqual({ payload: 'a', ended: true, rest: 'PUT /next' });
  });

  it('has not ended before the empty line', () => {
    expect(decode('1\r\na\r\n0\r\n', 4).ended).toBe(false);
  });

  it('refuses what is not chunked', () => {
    expect(() => decode('no size\r\n', 1000)).toThrow('not chunked');
  });
});
