import { S3Error } from './s3-error';
import { childText, type XmlElement } from './xml';

const MAX_TAGS = 10;
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** `a=1&b=2`, percent-encoded, as in x-amz-tagging. */
export function parseTagHeader(text: string): Record<string, string> {
  return checkTags(
    text
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const at = pair.indexOf('=');
        return at === -1 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
      }),
    (message) => new S3Error('InvalidArgument', message, { ArgumentName: 'x-amz-tagging', ArgumentValue: text }),
  );
}

/** The <Tagging> document. */
export function parseTagging(root: XmlElement): Record<string, string> {
  const set = root.children.find((child) => child.name === 'TagSet');
  const pairs = (set?.children ?? []).map((tag): [string, string] => [
    childText(tag, 'Key') ?? '',
    childText(tag, 'Value') ?? '',
  ]);
  return checkTags(pairs, (message) => new S3Error('BadRequest', message));
}

function checkTags(pairs: [string, string][], tooMany: (message: string) => S3Error): Record<string, string> {
  if (pairs.length > MAX_TAGS) throw tooMany('Object tags cannot be greater than 10');
  const tags: Record<string, string> = {};
  for (const [key, value] of pairs) {
    if (key === '' || [...key].length > 128 || !ALLOWED.test(key) || key.startsWith('aws:')) {
      throw invalidTag('The TagKey you have provided is invalid', key);
    }
    if ([...value].length > 256 || !ALLOWED.test(value)) {
      throw invalidTag('The TagValue you have provided is invalid', key);
    }
    if (Object.hasOwn(tags, key)) throw invalidTag('Cannot provide multiple Tags with the same key', key);
    tags[key] = value;
  }
  return tags;
}

function invalidTag(message: string, key: string): S3Error {
  return new S3Error('InvalidTag', message, { TagKey: key });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    throw new S3Error(
      'InvalidArgument',
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    );
  }
}
