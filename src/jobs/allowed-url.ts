export type UrlVerdict = { readonly url: URL } | { readonly refused: string };

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const PLACEHOLDER = '$' + '{aws:iot:s3-presigned-url';

/**
 * Whether a device may fetch from there. Whoever may write a job is not therefore one who may send the device anywhere.
 * @param allowedHosts a host, or a domain above it; `host:port` where one port alone is meant
 */
export function allowedUrl(text: string, allowedHosts: readonly string[]): UrlVerdict {
  if (text.startsWith(PLACEHOLDER))
    return {
      refused:
        'the placeholder of its url was not replaced; give the job a presignedUrlConfig with a role that may read the object',
    };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { refused: 'its url is none; write https://host/path' };
  }
  const isLoopback = LOOPBACK.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback))
    return { refused: `its url begins with ${url.protocol}; files come by https only; write https` };
  if (url.username !== '' || url.password !== '')
    return { refused: 'its url carries a user name or a password; sign the url instead' };
  if (!allowedHosts.some((allowed) => isWithin(url, allowed.toLowerCase())))
    return { refused: `files do not come from ${url.host}; see jobs.allowedHosts` };
  return { url };
}

function isWithin({ hostname, host }: URL, allowed: string): boolean {
  const plain = hostname.replace(/\.$/, '');
  return plain === allowed || host === allowed || plain.endsWith(`.${allowed}`);
}
