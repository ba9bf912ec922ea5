/** What stands in a job document for a URL that is signed when a device asks. The older form takes the key as it stands. */
export function urlPlaceholder(
  { bucket, key, region = 'eu-central-1' }: { bucket: string; key: string; region?: string },
  form: 'v1' | 'v2' = 'v2',
): string {
  const [name, path] =
    form === 'v1'
      ? ['s3-presigned-url', key]
      : ['s3-presigned-url-v2', key.split('/').map(encodeURIComponent).join('/')];
  return `\${aws:iot:${name}:https://s3.${region}.amazonaws.com/${bucket}/${path}}`;
}
