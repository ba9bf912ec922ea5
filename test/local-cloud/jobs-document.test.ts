import { readFileSync } from 'node:fs';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { ODD_KEYS } from '../contract/odd-keys';
import { type Answer, sendHttp } from '../engines/send-http';
import type { JobsDevice } from '../support/jobs-device';
import { JobsSite } from '../support/jobs-site';
import { urlPlaceholder } from '../support/url-placeholder';
import type { CreateJobRequest } from './jobs/jobs-control';

const KEY = 'firmware/v 2+1.bin';
let site: JobsSite;
let device: JobsDevice;

beforeAll(async () => {
  site = await JobsSite.start();
  site.cloud.createBucket('depot');
  await put(KEY, 'the file');
});
afterAll(() => site.stop());
beforeEach(async () => {
  device = await site.device();
});
afterEach(() => {
  site.cloud.clockOffsetMs = 0;
  site.jobs.settings.signingSessionSeconds = 3600;
});

const older = (key: string): string => urlPlaceholder({ bucket: 'depot', key }, 'v1');
const newer = (key: string): string => urlPlaceholder({ bucket: 'depot', key });
const put = (Key: string, Body: string) =>
  site.mqtt.fixture.s3().send(new PutObjectCommand({ Bucket: 'depot', Key, Body }));

const create = (
  document: CreateJobRequest['document'],
  presignedUrlConfig: CreateJobRequest['presignedUrlConfig'] = {},
) => site.createJob([device.thing], { document, presignedUrlConfig });

/** What the device gets for it. */
async function filled<T>(document: T, presignedUrlConfig: CreateJobRequest['presignedUrlConfig'] = {}): Promise<T> {
  const jobId = create(document as object, presignedUrlConfig);
  const { execution } = (await device.ask(`${jobId}/get`)) as unknown as { execution: { jobDocument: T } };
  return execution.jobDocument;
}

function fetch(url: string): Promise<Answer> {
  const { origin, pathname, search, host } = new URL(url);
  expect(origin).toBe(site.cloud.s3Endpoint);
  const ca = readFileSync(site.cloud.caFile, 'utf8');
  return sendHttp({ endpoint: origin, ca, method: 'GET', path: pathname + search, headers: { host } });
}

describe('placeholders', () => {
  it('of seed D: a URL onto the local S3, signed by a session, for an hour', async () => {
    const document = await filled({ operation: 'install', version: '1.0', url: older('plain.bin') });
    expect(document).toMatchObject({ operation: 'install', version: '1.0' });
    const { searchParams, pathname, protocol } = new URL(document.url);
    expect([protocol, pathname, searchParams.get('X-Amz-Expires')]).toEqual(['https:', '/depot/plain.bin', '3600']);
    expect(searchParams.get('X-Amz-Security-Token')!.length).toBeGreaterThan(1000);
    await put('plain.bin', 'plain');
    expect(await fetch(document.url)).toMatchObject({ status: 200, text: 'plain' });
  });

  it.each(ODD_KEYS)('of today, with the key percent-encoded: %j', async (key) => {
    await put(key, key);
    const { url } = await filled({ url: newer(key) });
    expect(await fetch(url)).toMatchObject({ status: 200, text: key });
  });

  it('of old take the key as it stands', async () => {
    expect(await fetch((await filled({ url: older(KEY) })).url)).toMatchObject({ status: 200, text: 'the file' });
  });

  it.each([
    ['a bucket in the host', 'depot.s3.eu-central-1.amazonaws.com/'],
    ['a region behind a dash', 's3-eu-central-1.amazonaws.com/depot/'],
  ])('with %s', async (_, start) => {
    const usual = 's3.eu-central-1.amazonaws.com/depot/';
    const { url } = await filled({ url: newer(KEY).replace(usual, start) });
    expect(await fetch(url)).toMatchObject({ status: 200, text: 'the file' });
  });

  it('stand anywhere in strings, and nothing else is touched', async () => {
    const other = `${'$'}{aws:iot:parameter:x} $ {} \\ "`;
    const document = { files: [{ url: newer(KEY) }, `a ${newer(KEY)} b ${older(KEY)} c`], other, [other]: [1, null] };
    const got = await filled(document);
    expect(await fetch((got.files[0] as { url: string }).url)).toMatchObject({ status: 200 });
    const [a, first, b, second, c] = (got.files[1] as string).split(' ');
    expect([a, b, c, got.other, got[other]]).toEqual(['a', 'b', 'c', other, [1, null]]);
    for (const url of [first!, second!]) expect(await fetch(url)).toMatchObject({ status: 200, text: 'the file' });
  });

  it('are filled anew at each request, whichever it is', async () => {
    await device.connection.subscribe(device.topic('notify-next'));
    const jobId = create({ url: newer(KEY) });
    const asks: [string, object][] = [
      [`${jobId}/get`, {}],
      ['$next/get', {}],
      ['start-next', {}],
      [`${jobId}/update`, { status: 'IN_PROGRESS', includeJobDocument: true }],
    ];
    const urls = new Set<string>();
    for (const [rest, request] of asks) {
      const answer = (await device.ask(rest, request)) as { execution?: { jobDocument: unknown } };
      const { jobDocument } = answer.execution ?? (answer as { jobDocument: unknown });
      urls.add((jobDocument as { url: string }).url);
    }
    const [notified] = await device.waitForMessages('notify-next', 1);
    urls.add((notified!.execution as { jobDocument: { url: string } }).jobDocument.url);
    expect(urls.size).toBe(5);
    for (const url of urls) expect(await fetch(url)).toMatchObject({ status: 200 });
  });
});

describe('a URL', () => {
  it('ends after its time', async () => {
    const { url } = await filled({ url: newer(KEY) }, { expiresInSec: 60 });
    site.cloud.clockOffsetMs = 59_000;
    expect((await fetch(url)).status).toBe(200);
    site.cloud.clockOffsetMs = 62_000;
    const answer = await fetch(url);
    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(answer.text).toContain('<Message>Request has expired</Message>');
  });

  it('ends with the session that signed it, and one made later does not', async () => {
    site.jobs.settings.signingSessionSeconds = 300;
    const { url } = await filled({ url: newer(KEY) });
    site.cloud.clockOffsetMs = 302_000;
    expect(await fetch(url)).toMatchObject({ status: 400, code: 'ExpiredToken' });
    expect((await fetch((await filled({ url: newer(KEY) })).url)).status).toBe(200);
  });

  it('ends when all sessions are ended', async () => {
    const { url } = await filled({ url: newer(KEY) });
    site.cloud.expireTokens();
    expect(await fetch(url)).toMatchObject({ status: 400, code: 'ExpiredToken' });
  });

  it('may what the role may', async () => {
    const rolePolicy = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow' as const, Action: 's3:GetObject', Resource: 'arn:aws:s3:::depot/elsewhere/*' }],
    };
    const { url } = await filled({ url: newer(KEY) }, { rolePolicy });
    expect(await fetch(url)).toMatchObject({ status: 403, code: 'AccessDenied' });
  });

  it('of a missing object says so: the role may list', async () => {
    const { url } = await filled({ url: newer('none') });
    expect(await fetch(url)).toMatchObject({ status: 404, code: 'NoSuchKey' });
  });
});

describe('a job is refused', () => {
  const refusal = (request: Partial<CreateJobRequest>): string => {
    try {
      site.createJob([device.thing], request);
      return 'none';
    } catch (error) {
      return (error as Error).name;
    }
  };

  it.each([0, 59, 3601, 60.5, Number.NaN])('with URLs of %d s', (expiresInSec) => {
    expect(refusal({ presignedUrlConfig: { expiresInSec } })).toBe('InvalidRequestException');
  });

  it.each([60, 3600])('but not with URLs of %d s', (expiresInSec) => {
    expect(refusal({ presignedUrlConfig: { expiresInSec } })).toBe('none');
  });

  it('with placeholders and no word of how they are signed', () => {
    expect(refusal({ document: { url: newer(KEY) } })).toBe('InvalidRequestException');
  });

  it.each([
    ['no JSON', '{"a":'],
    ['more than 32,768 characters', JSON.stringify({ a: 'x'.repeat(32_768 - 8 + 1) })],
    ['a placeholder of no object', { url: newer(KEY).replace('s3.eu-central-1.amazonaws.com', 'example.com') }],
    ['a placeholder without a key', { url: newer('') }],
    ['a key that is not encoded', { url: newer('a%b').replace('%25', '%') }],
  ])('with %s', (_, document) => {
    expect(refusal({ document, presignedUrlConfig: {} })).toBe('InvalidRequestException');
  });

  it('but not with 32,768 characters, which may become more', async () => {
    const url = newer(KEY);
    const text = JSON.stringify({ url, a: '' });
    const document = JSON.stringify({ url, a: 'x'.repeat(32_768 - text.length) });
    expect(document).toHaveLength(32_768);
    expect(JSON.stringify(await filled(JSON.parse(document))).length).toBeGreaterThan(33_000);
  });

  it('with an id that is none, or that there is already, or a timeout of more than a week', () => {
    for (const jobId of ['', 'a.b', 'j'.repeat(65)]) expect(refusal({ jobId })).toBe('InvalidRequestException');
    expect(refusal({ jobId: 'twice' })).toBe('none');
    expect(refusal({ jobId: 'twice' })).toBe('ResourceAlreadyExistsException');
    for (const inProgressTimeoutInMinutes of [0, 10_081])
      expect(refusal({ timeoutConfig: { inProgressTimeoutInMinutes } })).toBe('InvalidRequestException');
  });
});

it('a cloud for demonstrations may be started with URLs that live shorter', async () => {
  const hasty = await JobsSite.start({ minPresignSeconds: 1 });
  try {
    const { thing } = await hasty.device();
    const create = (expiresInSec: number) => () => hasty.createJob([thing], { presignedUrlConfig: { expiresInSec } });
    expect(create(1)).not.toThrow();
    expect(create(0)).toThrow(/1 to 3600/);
  } finally {
    await hasty.stop();
  }
});
