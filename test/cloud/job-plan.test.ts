import type { Stack } from '../../src/cloud/account/read-stack';
import type { LocalFile } from '../../src/cloud/files/local-files';
import { type JobWish, planJob } from '../../src/cloud/jobs/job-plan';
import { THING_NAME } from '../../src/domain/thing-name';

const STACK: Stack = {
  name: 'courier',
  partition: 'aws',
  region: 'eu-central-1',
  accountId: '123456789012',
  bucket: 'fleet-bucket',
  roleAlias: 'courier',
  thingPolicy: 'courier-thing',
  archivePrefix: '{thing}/archive/',
  jobsRoleArn: 'arn:aws:iam::123456789012:role/jobs',
  speaksMqtt: true,
  vendsTokens: false,
};
const file = (name: string, more: Partial<LocalFile> = {}): LocalFile => ({
  path: `/home/me/${name}`,
  name,
  sizeBytes: 3,
  mtimeMs: 0,
  isExecutable: false,
  version: '',
  ...more,
});
const A = { file: file('a.bin'), sha256: 'a'.repeat(64) };
const B = { file: file('b.sh', { isExecutable: true }), sha256: 'b'.repeat(64) };
const WISH: JobWish = {
  files: [A],
  targets: ['arn:1', 'arn:2'],
  operation: 'download',
  path: undefined,
  unpack: undefined,
  expiresInSec: 3600,
  id: undefined,
};
const documentOf = (wish: Partial<JobWish>, stack: Partial<Stack> = {}) =>
  JSON.parse(planJob({ ...STACK, ...stack }, { ...WISH, id: 'j', ...wish }).document);

describe('the plan of a job', () => {
  it('of one file is a document with a url', () => {
    expect(documentOf({ operation: 'install' })).toEqual({
      operation: 'install',
      url: `\${aws:iot:s3-presigned-url-v2:https://s3.eu-central-1.amazonaws.com/fleet-bucket/.jobs/j/a.bin}`,
      path: 'a.bin',
      sha256: A.sha256,
      size: 3,
    });
  });

  it('of several is a list of all', () => {
    expect(documentOf({ files: [A, B] })).toMatchObject({
      operation: 'download',
      files: [{ path: 'a.bin' }, { path: 'b.sh', mode: '0755' }],
    });
  });

  it.each([
    { path: 'app', files: [A], paths: ['app'] },
    { path: 'app/', files: [A], paths: ['app/a.bin'] },
    { path: 'app/v7', files: [A, B], paths: ['app/v7/a.bin', 'app/v7/b.sh'] },
  ])('puts files to $path', ({ path, files, paths }) => {
    const document = documentOf({ path, files });
    expect((document.files ?? [document]).map((one: { path: string }) => one.path)).toEqual(paths);
  });

  it.each([
    { path: undefined, folder: '.' },
    { path: 'app/', folder: 'app' },
  ])('unpacks into $folder', ({ path, folder }) => {
    expect(documentOf({ path, unpack: 'zip', files: [B] })).toMatchObject({ path: folder, unpack: 'zip' });
    expect(documentOf({ path, unpack: 'zip', files: [B] })).not.toHaveProperty('mode');
  });

  it.each([
    { partition: 'aws-cn', region: 'cn-north-1', host: 's3.cn-north-1.amazonaws.com.cn' },
    { partition: 'aws-us-gov', region: 'us-gov-west-1', host: 's3.us-gov-west-1.amazonaws.com' },
  ])('has the host of S3 in $partition', ({ partition, region, host }) => {
    expect(documentOf({}, { partition, region }).url).toContain(`https://${host}/fleet-bucket/`);
  });

  it('encodes what would end a placeholder, or change a key', () => {
    expect(documentOf({ files: [{ ...A, file: file("a}$'%2F+ü b.bin") }] }).url).toMatch(
      /\/\.jobs\/j\/a%7D%24%27%252F%2B%C3%BC%20b\.bin\}$/,
    );
  });

  it('is of one id while nothing in it differs', () => {
    const id = (wish: Partial<JobWish>): string => planJob(STACK, { ...WISH, ...wish }).id;
    const own = id({});
    expect(id({ targets: ['arn:2', 'arn:1'] })).toBe(own);
    const others = [
      id({ targets: ['arn:1'] }),
      id({ expiresInSec: 60 }),
      id({ operation: 'flash' }),
      id({ path: 'b' }),
      id({ unpack: 'zip' }),
      id({ files: [{ ...A, sha256: B.sha256 }] }),
      id({ files: [{ ...A, file: file('b.bin') }] }),
      id({ files: [A, B] }),
    ];
    expect(new Set([own, ...others]).size).toBe(others.length + 1);
  });

  it('keeps its files where no thing has its folder', () => {
    for (const { key } of planJob(STACK, { ...WISH, files: [A, B] }).objects)
      expect(key.split('/')[0]).not.toMatch(THING_NAME);
  });

  it.each([
    {
      what: 'more URLs than fit into a message',
      wish: { files: Array.from({ length: 65 }, (_, i) => ({ ...A, file: file(`file-${i}`) })) },
      message:
        '65 files are more than the 64 whose URLs fit into one message of AWS IoT; send them as one archive (--pack), or by several jobs',
    },
    {
      what: 'a larger document than AWS IoT takes',
      wish: { files: Array.from({ length: 64 }, (_, i) => ({ ...A, file: file(`${'long-'.repeat(40)}${i}`) })) },
      message: /^the job document would have 4\d{4} characters, and AWS IoT takes 32768; send the files as one archive/,
    },
    {
      what: 'a path that leads elsewhere',
      wish: { path: '../up' },
      message: '--path ../up cannot be a path on a device: it has . or .. for a folder; name one below jobs.dir',
    },
    {
      what: 'a path that would be called otherwise',
      wish: { path: 'a\\b' },
      message: /^--path 'a\\b' would be called '\S+' on the device; name it so, or otherwise$/,
    },
  ])('is none with $what', ({ wish, message }) => {
    expect(() => planJob(STACK, { ...WISH, ...wish })).toThrow(message);
  });
});
