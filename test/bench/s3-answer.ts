import { crc32ToBase64 } from '../../src/domain/crc32';
import { etagOf, type Received, type ReceivedObjects, type StoredObject } from './received-objects';

type Headers = Readonly<Record<string, string | undefined>>;

export interface S3Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** What the null S3 makes of one request whose body has been counted. Path style only; no signature is looked at. */
export function answerS3(
  objects: ReceivedObjects,
  method: string,
  url: string,
  headers: Headers,
  received: Received,
): S3Answer {
  const [path = '', query = ''] = url.split('?', 2);
  const slash = path.indexOf('/', 1);
  const key = slash < 0 ? '' : decodeURIComponent(path.slice(slash + 1));
  if (key === '') return answerBucket(method);
  if (query !== '') {
    const parameters = new URLSearchParams(query);
    const uploadId = parameters.get('uploadId');
    if (uploadId !== null) return answerMultipart(objects, method, uploadId, parameters, headers, received);
    if (parameters.has('uploads')) return createMultipart(objects, key, headers);
  }
  if (method === 'PUT') {
    const wrong = findBadDigest(headers, received);
    return wrong ?? { status: 200, headers: entityHeaders(objects.put(key, received), headers) };
  }
  if (method === 'HEAD') return answerHead(objects.find(key));
  return error(method === 'GET' ? 404 : 405, method === 'GET' ? 'NoSuchKey' : 'MethodNotAllowed');
}

function answerBucket(method: string): S3Answer {
  if (method === 'HEAD') return { status: 200 };
  if (method !== 'GET') return error(405, 'MethodNotAllowed');
  return xml(
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix></Prefix>' +
      '<KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>',
  );
}

function answerHead(object: StoredObject | undefined): S3Answer {
  if (object === undefined) return { status: 404 };
  return {
    status: 200,
    headers: {
      etag: `"${object.etag}"`,
      'content-length': String(object.size),
      'last-modified': new Date().toUTCString(),
      'x-amz-checksum-crc32': crc32ToBase64(object.crc32),
    },
  };
}

function createMultipart(objects: ReceivedObjects, key: string, headers: Headers): S3Answer {
  const type = headers['x-amz-checksum-type'];
  const uploadId = objects.createMultipart(key, type === 'FULL_OBJECT');
  return xml(
    `<InitiateMultipartUploadResult><Bucket>bench</Bucket><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`,
  );
}

function answerMultipart(
  objects: ReceivedObjects,
  method: string,
  uploadId: string,
  parameters: URLSearchParams,
  headers: Headers,
  received: Received,
): S3Answer {
  const multipart = objects.findMultipart(uploadId);
  if (multipart === undefined) return error(404, 'NoSuchUpload');
  if (method === 'PUT') {
    const wrong = findBadDigest(headers, received);
    if (wrong) return wrong;
    multipart.parts.set(Number(parameters.get('partNumber')), received);
    return { status: 200, headers: entityHeaders({ ...received, etag: etagOf(received) }, headers) };
  }
  if (method === 'DELETE') {
    objects.abortMultipart(uploadId);
    return { status: 204 };
  }
  if (method === 'GET') {
    const parts = [...multipart.parts].map(
      ([number, part]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>"${etagOf(part)}"</ETag><Size>${part.size}</Size>` +
        `<ChecksumCRC32>${crc32ToBase64(part.crc32)}</ChecksumCRC32></Part>`,
    );
    return xml(`<ListPartsResult><IsTruncated>false</IsTruncated>${parts.join('')}</ListPartsResult>`);
  }
  return completeMultipart(objects, uploadId, multipart.fullObjectChecksum, headers, received);
}

function completeMultipart(
  objects: ReceivedObjects,
  uploadId: string,
  fullObjectChecksum: boolean,
  headers: Headers,
  received: Received,
): S3Answer {
  const numbers = [...(received.text ?? '').matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map((match) =>
    Number(match[1]),
  );
  const stored = objects.completeMultipart(uploadId, numbers);
  if (stored === undefined) return error(400, 'InvalidPart');
  const checksum = fullObjectChecksum
    ? `<ChecksumCRC32>${crc32ToBase64(stored.crc32)}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>`
    : '';
  return (
    (fullObjectChecksum ? findBadDigest(headers, stored) : undefined) ??
    xml(`<CompleteMultipartUploadResult><ETag>"${stored.etag}"</ETag>${checksum}</CompleteMultipartUploadResult>`)
  );
}

function findBadDigest(headers: Headers, { crc32 }: { readonly crc32: number }): S3Answer | undefined {
  const told = headers['x-amz-checksum-crc32'];
  return told === undefined || told === crc32ToBase64(crc32) ? undefined : error(400, 'BadDigest');
}

function entityHeaders(object: StoredObject, headers: Headers): Record<string, string> {
  const entity: Record<string, string> = { etag: `"${object.etag}"` };
  if (headers['x-amz-checksum-crc32'] !== undefined) {
    entity['x-amz-checksum-crc32'] = crc32ToBase64(object.crc32);
    entity['x-amz-checksum-type'] = 'FULL_OBJECT';
  }
  return entity;
}

const xml = (body: string): S3Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
});

const error = (status: number, code: string): S3Answer => ({
  ...xml(`<Error><Code>${code}</Code><Message>the null S3 says ${code}</Message><RequestId>null</RequestId></Error>`),
  status,
});
