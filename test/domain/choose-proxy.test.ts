import { chooseProxy, parseProxy } from '../../src/domain/choose-proxy';

const proxy = { host: 'proxy.example', port: 3128, userInfo: undefined };

describe('a proxy', () => {
  it.each([
    ['http://proxy.example:3128', proxy],
    ['http://proxy.example:3128/', proxy],
    ['proxy.example:3128', proxy],
    ['http://proxy.example', { ...proxy, port: 80 }],
    ['http://a:b%40c@proxy.example:3128', { ...proxy, userInfo: 'a:b@c' }],
    ['http://[::1]:8080', { host: '::1', port: 8080, userInfo: undefined }],
    ['https://proxy.example', undefined],
    ['socks5://proxy.example', undefined],
    ['http://', undefined],
  ])('%s is read', (text, expected) => {
    expect(parseProxy(text)).toEqual(expected);
  });

  it.each([
    ['*', 's3.example', true],
    ['example', 'example', true],
    ['example', 's3.example', true],
    ['.example', 's3.example', true],
    ['*.example', 's3.example', true],
    ['EXAMPLE', 'S3.Example', true],
    ['ample', 's3.example', false],
    ['s3.example', 'example', false],
    ['s3.example:443', 's3.example', true],
    ['s3.example:8443', 's3.example', false],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['10.0.0.0/8', 's3.example', false],
    ['10.0.0.0/99', '10.1.2.3', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1:443', '127.0.0.1', true],
    ['127.0.0.1:80', '127.0.0.1', false],
    ['::1', '::1', true],
    ['[::1]:443', '[::1]', true],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', 'fe80::1', false],
    [' ', 's3.example', false],
  ])('that excepts "%s" is not used for %s: %p', (exception, host, isExcepted) => {
    expect(chooseProxy(proxy, [exception])(host, 443)).toBe(isExcepted ? undefined : proxy);
  });

  it('there is none where there is none', () => {
    expect(chooseProxy(undefined, [])('s3.example', 443)).toBeUndefined();
  });
});
