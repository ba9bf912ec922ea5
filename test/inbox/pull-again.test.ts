import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { adminS3 } from '../support/admin-s3';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';

describe('the inbox, when something was there before', () => {
  let site: InboxSite;

  afterEach(() => site.end());

  it('takes nothing for the beginning of an object that another ledger has left', async () => {
    site = await InboxSite.create();
    await putWithoutChecksum(site.courier, 'device00/inbox/a.txt', 'these are its bytes');
    mkdirSync(site.folder);
    writeFileSync(join(site.folder, '.courier-1'), 'those are');
    await site.courier.start();
    await site.settled();
    expect(site.read('a.txt')).toBe('these are its bytes');
    expect(readdirSync(site.folder)).toEqual(['a.txt']);
  });

  it('leaves no temporary file of an object that cannot land', async () => {
    site = await InboxSite.create();
    await site.put('device00/inbox/a', 'a file, where a folder is');
    mkdirSync(join(site.folder, 'a'), { recursive: true });
    await site.courier.start();
    await site.settled();
    expect(site.courier.component.status().inbox?.failed).toBe(1);
    expect(readdirSync(site.folder)).toEqual(['a']);
  });

  it('knows an object that is gone from one that is denied, where only its own folder may be listed', async () => {
    site = await InboxSite.create();
    await site.courier.start();
    await site.courier.component.pull(['device00/inbox/gone.txt']);
    const [line] = await site.courier.logged('superseded');
    expect(line).toMatchObject({ key: 'device00/inbox/gone.txt', reason: expect.stringContaining('no object') });
    expect(site.courier.component.status().inbox).toMatchObject({ open: 0, problems: [] });
  });

  it('fetches a version again that has come before, when another came between', async () => {
    site = await InboxSite.create({
      policy: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: '*' }],
      },
    });
    await site.courier.start();
    for (const content of ['one', 'two', 'one']) {
      await site.put('device00/inbox/a.txt', content);
      await site.courier.component.pull(['device00/inbox/a.txt']);
      await site.settled();
      await until(
        `it is ${content}`,
        () => site.read('a.txt') === content,
        () => site.courier.logs.slice(-3),
      );
    }
  });

  it('comes once more when it was replaced and asked for by name while the version before was on its way', async () => {
    const key = 'device00/inbox/a.txt';
    let copies = 0;
    site = await InboxSite.create({
      policy: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: '*' }],
      },
      edge: {
        wrapInbox: (store) => ({
          list: (...args) => store.list(...args),
          find: (...args) => store.find(...args),
          findOther: (...args) => store.findOther(...args),
          file: (one) => store.file(one),
          copy: (...args) =>
            store.copy(...args).catch(async (denied: unknown) => {
              if (++copies === 1) {
                await site.put(key, 'two');
                await site.courier.component.pull([key]);
              }
              throw denied; // and so it ends without a look
            }),
          remove: (...args) => store.remove(...args),
        }),
      },
    });
    await site.put(key, 'one');
    await site.courier.start();
    await until('the other version', () => existsSync(join(site.folder, 'a.txt')) && site.read('a.txt') === 'two');
    await site.settled();
  });
});

/** S3 knows no checksum of the whole of what was uploaded so. */
async function putWithoutChecksum({ cloud }: Courier, key: string, content: string): Promise<void> {
  const s3 = adminS3(cloud);
  const at = { Bucket: Courier.bucket, Key: key };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: 'SHA256' }));
  const { ETag, ChecksumSHA256 } = await s3.send(
    new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: content, ChecksumAlgorithm: 'SHA256' }),
  );
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumSHA256 }] };
  await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
  s3.destroy();
}
