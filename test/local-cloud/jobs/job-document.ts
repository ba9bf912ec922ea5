/** Where a placeholder points. */
export interface PlaceholderTarget {
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
}

const PLACEHOLDER = /\$\{aws:iot:s3-presigned-url(-v2)?:([^}]*)\}/g;
const PATH_STYLE = /^https:\/\/s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?\/([^/]+)\/(.+)$/s;
const VIRTUAL_HOST = /^https:\/\/([a-z0-9.-]+?)\.s3(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?\/(.+)$/s;
const REGION_OF_NO_NAME = 'us-east-1';

/** Placeholders in the strings of the document, in order. @throws Error with what is wrong with one */
export function placeholdersOf(document: string): PlaceholderTarget[] {
  const found: PlaceholderTarget[] = [];
  fillDocument(document, (target) => {
    found.push(target);
    return '';
  });
  return found;
}

/** The document as a device gets it. */
export function fillDocument(document: string, urlOf: (target: PlaceholderTarget) => string): unknown {
  return JSON.parse(document, (_, value: unknown) =>
    typeof value === 'string'
      ? value.replace(PLACEHOLDER, (__, version: string | undefined, url: string) =>
          urlOf(parseTarget(url, version !== undefined)),
        )
      : value,
  );
}

/** The newer form has its key percent-encoded; the older one takes the text as it stands. */
function parseTarget(url: string, isEncoded: boolean): PlaceholderTarget {
  const path = PATH_STYLE.exec(url);
  const host = path === null ? VIRTUAL_HOST.exec(url) : null;
  const [region, bucket, key] = path === null ? [host?.[2], host?.[1], host?.[3]] : path.slice(1);
  if (bucket === undefined || key === undefined) throw new Error(`a placeholder names no object of S3: ${url}`);
  try {
    return { region: region ?? REGION_OF_NO_NAME, bucket, key: isEncoded ? decodeURIComponent(key) : key };
  } catch {
    throw new Error(`the key of a placeholder is not percent-encoded: ${url}`);
  }
}
