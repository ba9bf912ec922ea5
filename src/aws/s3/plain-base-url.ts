export interface S3Place {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  readonly dualStack: boolean;
  readonly fips: boolean;
}

/** No dots, which want another certificate; no `--`, which marks directory buckets and the aliases of access points. */
const PLAIN_BUCKET = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
/** The partition whose names end in amazonaws.com. */
const COMMERCIAL_REGION = /^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+$/;

/**
 * Where a bucket is, in the two cases nearly every device has: a plain bucket in a commercial region, and a plain
 * bucket in the path of an endpoint of one's own. Undefined for all else: then the SDK's rules say it, and loading
 * the SDK is 0.2 s of CPU and more that a device of small files never pays. A test holds both to the same answer.
 */
export function findPlainBaseUrl(place: S3Place): URL | undefined {
  const { bucket, region, endpoint, pathStyle, dualStack, fips } = place;
  if (dualStack || fips || !PLAIN_BUCKET.test(bucket)) return undefined;
  if (endpoint === undefined) {
    if (pathStyle || !COMMERCIAL_REGION.test(region)) return undefined;
    return new URL(`https://${bucket}.s3.${region}.amazonaws.com`);
  }
  const url = new URL(endpoint);
  if (!pathStyle || url.search !== '' || url.username !== '' || /(^|\.)amazonaws\.com/.test(url.hostname))
    return undefined;
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${bucket}`;
  return url;
}
