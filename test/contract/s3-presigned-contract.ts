import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { Answer } from '../engines/send-http';
import { until } from '../engines/until';
import type { ContractRun } from './contract-run';
import { oddestKeys } from './odd-keys';

const denied = { status: 403, code: 'AccessDenied' };
const unlike = { status: 403, code: 'SignatureDoesNotMatch' };
const escapePath = (key: string): string =>
  key.replace(/[^A-Za-z0-9._~/-]+/g, (text) => Buffer.from(text).toString('hex').replace(/../g, '%$&').toUpperCase());
const reading = [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::$BUCKET/*' }] as const;

/** GET by URL, signed by a session of a role: how a job's file is fetched, and fetched on. */
export function describePresigned(run: ContractRun): void {
  const put = async (Key: string, Body: string): Promise<string> =>
    (await run.s3.send(new PutObjectCommand({ Bucket: run.bucket, Key, Body: Buffer.from(Body) }))).ETag!;
  const presign = async (key: string, urlSeconds = 60, sessionSeconds = 900): Promise<string> =>
    run.presign(escapePath(key), urlSeconds, new Date(), await run.issueKeys(reading, {}, sessionSeconds));
  const refusalOf = (url: string): Promise<Answer> =>
    until('the end of a URL', 15_000, async () => {
      const answer = await run.fetch(url);
      return answer.status === 200 ? undefined : answer;
    });

  describe('presigned by a session', () => {
    test.each(oddestKeys(run))('%j', async (key) => {
      await put(key, key);
      const answer = await run.fetch(await presign(key));
      expect(answer).toMatchObject({ status: 200, text: key });
    });

    test('from a byte on, of one version only', async () => {
      const etag = await put('signed/ranged', '0123456789');
      const url = await presign('signed/ranged');
      const tail = { status: 206, text: '789', headers: { 'content-range': 'bytes 7-9/10', etag } };
      expect(await run.fetch(url, { range: 'bytes=7-' })).toMatchObject(tail);
      expect(await run.fetch(url, { range: 'bytes=7-', 'if-match': etag })).toMatchObject(tail);
      const other = await put('signed/ranged', 'abcdefghij');
      const changed = await run.fetch(url, { range: 'bytes=7-', 'if-match': etag });
      await run.expectAnswer(changed, { status: 412, code: 'PreconditionFailed' });
      expect(await run.fetch(url, { range: 'bytes=7-' })).toMatchObject({
        status: 206,
        text: 'hij',
        headers: { etag: other },
      });
    });

    test('a Range behind the end', async () => {
      await put('signed/short', '0123456789');
      const answer = await run.fetch(await presign('signed/short'), { range: 'bytes=10-' });
      await run.expectAnswer(answer, { status: 416, code: 'InvalidRange' });
    });

    test('If-Range sends the rest of the same version, and the whole of another', async () => {
      const etag = await put('signed/if-range', '0123456789');
      const url = await presign('signed/if-range');
      const { headers } = await run.fetch(url);
      const tail = { status: 206, text: '789' };
      expect(await run.fetch(url, { range: 'bytes=7-', 'if-range': etag })).toMatchObject(tail);
      expect(await run.fetch(url, { range: 'bytes=7-', 'if-range': headers['last-modified']! })).toMatchObject(tail);
      await put('signed/if-range', 'abcdefghij');
      const changed = await run.fetch(url, { range: 'bytes=7-', 'if-range': etag });
      if (run.deviates('if-range-ignored')) expect(changed).toMatchObject({ status: 206, text: 'hij' });
      else expect(changed).toMatchObject({ status: 200, text: 'abcdefghij' });
    });

    test('for GET of what was signed and nothing else', async () => {
      await put('signed/one', 'one');
      await put('signed/two', 'two');
      const url = await presign('signed/one');
      for (const altered of [
        url.replace('/signed/one', '/signed/two'),
        url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'),
        url.replace(/(X-Amz-Signature=)...../, '$100000'),
        `${url}&partNumber=1`,
      ])
        await run.expectAnswer(run.fetch(altered), unlike);
      expect((await run.fetch(url, {}, 'HEAD')).status).toBe(403);
      await run.expectAnswer(run.fetch(url, { 'content-length': '0' }, 'PUT'), unlike);
      expect(await run.fetch(url)).toMatchObject({ status: 200, text: 'one' });
    });

    test("within its time, which is told with the server's", async () => {
      await put('signed/timed', 'timed');
      const answer = await refusalOf(await presign('signed/timed', 2));
      await run.expectAnswer(answer, denied);
      if (run.deviates('expiry-unexplained')) expect(answer.text).not.toContain('expired');
      else {
        expect(answer.text).toContain('<Message>Request has expired</Message>');
        expect(answer.text).toMatch(/<X-Amz-Expires>2<.*<Expires>20[^<]*Z<.*<ServerTime>20[^<]*Z</s);
      }
      expect(Math.abs(Date.parse(answer.headers.date ?? '') - Date.now())).toBeLessThan(60_000);
    });

    test('and not longer than the session that signed it', async () => {
      await put('signed/session', 'session');
      const answer = await refusalOf(await presign('signed/session', 600, 2));
      const expired = { status: 400, code: 'ExpiredToken' };
      await run.expectAnswer(answer, expired, { 'expired-token-is-access-denied': denied });
    });

    test('may no more than the role', async () => {
      await put('signed/denied', 'denied');
      const nothing = [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::$BUCKET/other/*' }] as const;
      const url = await run.presign('signed/denied', 60, new Date(), await run.issueKeys(nothing));
      await run.expectAnswer(run.fetch(url), denied);
    });
  });
}
