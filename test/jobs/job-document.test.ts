import fc from 'fast-check';
import { TransferError } from '../../src/domain/errors';
import { expiresAtMs, withoutQuery } from '../../src/domain/signed-url';
import { allowedUrl } from '../../src/jobs/allowed-url';
import { decideAfterFailure } from '../../src/jobs/decide-after-failure';
import { findPathProblem } from '../../src/jobs/find-asked-files';
import { type DocumentRules, type JobOrder, parseJobDocument } from '../../src/jobs/job-document';
import { findExecution, findExecutionState, findPending } from '../../src/jobs/job-execution';
import { JOBS_MIGRATION } from '../../src/jobs/jobs-schema';
import { judgeUploads } from '../../src/jobs/judge-uploads';
import { isWorthTelling, percentOf } from '../../src/jobs/progress';
import { statusDetails } from '../../src/jobs/status-details';
import { ENDS, TRANSITIONS } from '../../src/jobs/transitions';

const RULES: DocumentRules = {
  operations: { flash: 'download', 'send-logs': 'upload', wipe: 'reject' },
  allowedHosts: ['amazonaws.com', 'amazonaws.com.cn'],
  takesFiles: true,
  takesKeys: true,
  givesFiles: true,
};
const URL_OF = 'https://s3.eu-central-1.amazonaws.com/bucket/firmware/app%20%C3%BC.bin?X-Amz-Signature=secret';
const parse = (document: unknown, rules: Partial<DocumentRules> = {}): JobOrder =>
  parseJobDocument(document, { ...RULES, ...rules });
const reasonOf = (order: JobOrder): string => (order.action === 'reject' ? order.reason : `none: ${order.action}`);

describe('a job document', () => {
  it.each(['install', 'anything', 7, undefined])(
    'with a url is a download, whatever its operation (%p)',
    (operation) => {
      expect(parse({ operation, version: '1.0', url: URL_OF, more: { of: ['the', 'user'] } })).toEqual({
        action: 'download',
        files: [
          {
            from: { url: new URL(URL_OF) },
            source: 'https://s3.eu-central-1.amazonaws.com/bucket/firmware/app%20%C3%BC.bin',
            path: 'app ü.bin',
            sha256: undefined,
            sizeBytes: undefined,
            mode: undefined,
            unpack: 'none',
          },
        ],
      });
    },
  );

  it('has what its word is mapped to', () => {
    expect(parse({ operation: 'flash', url: URL_OF }).action).toBe('download');
    expect(parse({ operation: 'send-logs', paths: '/var/log/a' })).toEqual({ action: 'upload', paths: ['/var/log/a'] });
    expect(reasonOf(parse({ operation: 'wipe', url: URL_OF }))).toMatch(/rejects "wipe"/);
    expect(parse({ operation: 'constructor', url: URL_OF }).action).toBe('download');
    expect(parse({ operation: '__proto__', paths: ['a'] }).action).toBe('upload');
  });

  it('names files by path, folder, and archive', () => {
    const files = (document: object) => {
      const order = parse(document);
      return order.action === 'download' ? order.files.map(({ path, mode, unpack }) => [path, mode, unpack]) : order;
    };
    expect(files({ url: URL_OF, path: 'a/b', mode: '640' })).toEqual([['a/b', 0o640, 'none']]);
    expect(files({ url: URL_OF, path: 'a/' })).toEqual([['a/app ü.bin', undefined, 'none']]);
    expect(files({ key: 'x/y.tgz', unpack: 'tar.gz' })).toEqual([['', undefined, 'tar.gz']]);
    expect(files({ url: URL_OF, path: 'site/', unpack: 'zip' })).toEqual([['site', undefined, 'zip']]);
    expect(files({ files: [{ url: URL_OF }, { key: 'k', path: 'b', size: '12' }] })).toEqual([
      ['app ü.bin', undefined, 'none'],
      ['b', undefined, 'none'],
    ]);
  });

  it.each<[unknown, RegExp]>([
    [null, /no JSON object/],
    ['text', /no JSON object/],
    [[], /no JSON object/],
    [{}, /neither a url, a key, files nor paths; write one of these$/],
    [{ steps: [{ action: {} }] }, /steps, which are for another agent/],
    [{ operation: 'flash' }, /either a url or a key/],
    [{ url: 7 }, /url must be text/],
    [{ url: 'ftp://x' }, /https only/],
    [{ url: 'http://s3.amazonaws.com/a' }, /https only/],
    [{ url: 'https://evil.example/a' }, /evil\.example; see jobs\.allowedHosts$/],
    [{ url: 'https://amazonaws.com.evil.example/a' }, /see jobs\.allowedHosts$/],
    [{ url: 'https://evilamazonaws.com/a' }, /see jobs\.allowedHosts$/],
    [{ url: 'https://user:pw@s3.amazonaws.com/a' }, /user name or a password/],
    [{ url: 'https://127.0.0.1/a' }, /see jobs\.allowedHosts$/],
    [
      { url: '$' + '{aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}' },
      /not replaced; give the job a presignedUrlConfig/,
    ],
    [{ url: 'https://s3.amazonaws.com/' }, /names no file.*give it a path$/],
    [{ url: URL_OF, path: '../x' }, /below jobs\.dir: it has \. or \.\./],
    [{ url: URL_OF, path: '/etc/passwd' }, /begins with a slash/],
    [{ url: URL_OF, path: 'a\0b' }, /zero byte/],
    [{ url: URL_OF, sha256: 'abc' }, /sha256 must be 64 hexadecimal digits/],
    [{ url: URL_OF, size: -1 }, /size must be a number of bytes/],
    [{ url: URL_OF, mode: 644 }, /mode must be permissions as text/],
    [{ url: URL_OF, mode: '4755' }, /mode must be permissions/],
    [{ url: URL_OF, unpack: 'rar' }, /unpack must be none, zip or tar\.gz/],
    [{ url: URL_OF, unpack: 'zip', path: '/' }, /slash/],
    [{ url: URL_OF, files: [{ url: URL_OF }] }, /put that into files$/],
    [{ files: [] }, /files must be at least one/],
    [{ files: [{ url: URL_OF }, { url: URL_OF }] }, /two of its files would be app ü\.bin/],
    [
      {
        files: [
          { url: URL_OF, path: 'a' },
          { url: URL_OF, path: 'a/b' },
        ],
      },
      /a cannot be a file and the folder/,
    ],
    [{ files: [{ url: URL_OF }, { path: 'x' }] }, /^files\.1: a file has either/],
    [{ files: Array.from({ length: 201 }, (_, i) => ({ url: URL_OF, path: `f${i}` })) }, /files must be at most 200/],
    [{ url: URL_OF, key: 'k' }, /either a url or a key/],
    [{ paths: [] }, /paths must be 1 to 100/],
    [{ paths: ['a', ''] }, /none of them empty/],
    [{ paths: 7 }, /paths must be/],
  ])('%j is refused', (document, reason) => {
    expect(reasonOf(parse(document))).toMatch(reason);
  });

  it('is refused for what this device does not do', () => {
    expect(reasonOf(parse({ url: URL_OF }, { takesFiles: false }))).toMatch(/set jobs\.dir$/);
    expect(reasonOf(parse({ key: 'a' }, { takesKeys: false }))).toMatch(/set s3\.bucket$/);
    expect(reasonOf(parse({ paths: 'a' }, { givesFiles: false }))).toMatch(/set jobs\.uploadRoots/);
  });

  it('of whatever kind gets an answer, and its paths stay inside', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('..', '.', '/', '../x', 'a/../../b', '\0', 'a\\b', URL_OF),
    );
    const file = fc.record(
      {
        url: fc.oneof(text, fc.constant(URL_OF)),
        key: text,
        path: text,
        sha256: text,
        size: fc.anything(),
        mode: text,
        unpack: fc.constantFrom('none', 'zip', 'tar.gz', 7),
      },
      { requiredKeys: [] },
    );
    const document = fc.oneof(
      fc.anything(),
      fc.json().map((json) => JSON.parse(json) as unknown),
      fc.record(
        { operation: text, files: fc.array(file), paths: fc.oneof(text, fc.array(text)), ...{ url: text } },
        { requiredKeys: [] },
      ),
      file,
    );
    fc.assert(
      fc.property(document, (value) => {
        const order = parse(value);
        if (order.action === 'reject') expect(order.reason).not.toContain('X-Amz-Signature');
        if (order.action !== 'download') return;
        for (const { path, source, unpack } of order.files) {
          expect(path.split('/')).not.toContain('..');
          expect(path.startsWith('/')).toBe(false);
          if (unpack === 'none') expect(path).not.toBe('');
          expect(source).not.toContain('X-Amz-Signature');
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a URL', () => {
  it.each([
    ['https://bucket.s3.eu-central-1.amazonaws.com/k?x=1', ['amazonaws.com']],
    ['https://s3.cn-north-1.amazonaws.com.cn/b/k', ['amazonaws.com.cn']],
    ['http://127.0.0.1:9000/k', ['127.0.0.1']],
    ['http://localhost:9000/k', ['localhost:9000']],
    ['https://FILES.example/k', ['Files.Example']],
  ])('%s is fetched from %j', (url, hosts) => {
    expect(allowedUrl(url, hosts)).toHaveProperty('url');
  });

  it('is never shown with its query', () => {
    const url = new URL('https://host:8443/a%20b?X-Amz-Signature=1#f');
    expect(withoutQuery(url)).toBe('https://host:8443/a%20b');
  });

  it('says when it expires', () => {
    expect(expiresAtMs(new URL('https://h/k?X-Amz-Date=20261122T100000Z&X-Amz-Expires=60'))).toBe(
      Date.UTC(2026, 10, 22, 10, 1),
    );
    for (const query of [
      '',
      'X-Amz-Date=20261122T100000Z',
      'X-Amz-Date=x&X-Amz-Expires=60',
      'X-Amz-Date=20261122T100000Z&X-Amz-Expires=x',
    ])
      expect(expiresAtMs(new URL(`https://h/k?${query}`))).toBeUndefined();
  });
});

describe('what the cloud is told', () => {
  it('is as AWS IoT takes it, whatever it was', () => {
    const details = fc.dictionary(
      fc.string({ unit: 'binary' }),
      fc.oneof(fc.string({ unit: 'binary', maxLength: 3_000 }), fc.double(), fc.constant(undefined)),
      { maxKeys: 20 },
    );
    fc.assert(
      fc.property(details, (pairs) => {
        const clean = Object.entries(statusDetails(pairs));
        expect(clean.length).toBeLessThanOrEqual(10);
        for (const [name, value] of clean) {
          expect(name).toMatch(/^[a-zA-Z0-9:_-]{1,128}$/);
          expect(value).toMatch(/^[^\p{C}]{1,1024}$/u);
        }
      }),
      { numRuns: 500 },
    );
    expect(statusDetails({ reason: 'a\nb\tc\u0000', none: undefined, n: 0 })).toEqual({ reason: 'a b c', n: '0' });
    expect(statusDetails({ long: '😀'.repeat(2_000) }).long).toHaveLength(1_023);
  });

  it('comes at most every 10 % and every 10 s', () => {
    expect(isWorthTelling(19, { percent: 10, atMs: 0 }, 60_000)).toBe(false);
    expect(isWorthTelling(20, { percent: 10, atMs: 0 }, 9_999)).toBe(false);
    expect(isWorthTelling(20, { percent: 10, atMs: 0 }, 10_000)).toBe(true);
    expect([percentOf(0, 0), percentOf(1, 3), percentOf(3, 3), percentOf(4, 3)]).toEqual([0, 33, 100, 100]);
  });
});

describe('what the cloud says', () => {
  it('is read, or is nothing, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.json().map((json) => JSON.parse(json) as unknown),
        ),
        (value) => {
          const execution = findExecution(value);
          if (execution !== undefined) expect(execution.jobId).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          findExecutionState(value);
          findPending(value);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(findExecution({ jobId: '../../etc', status: 'QUEUED' })).toBeUndefined();
    expect(findPending({ jobs: { IN_PROGRESS: [{ jobId: 'a' }], QUEUED: [{ jobId: 'b' }] } })).toEqual({
      inProgress: ['a'],
    });
    expect(findPending({ jobs: {} })).toEqual({ inProgress: [] });
  });
});

describe('files on their way up for a job', () => {
  const queued = (files: number, code?: ConstructorParameters<typeof TransferError>[0]) => ({
    state: 'queued' as const,
    files,
    problem: code && new TransferError(code, code),
  });
  const verdict = (...open: Parameters<typeof judgeUploads>[0]) => {
    const { files, problem, isStuck } = judgeUploads(open);
    return [files, problem?.code, isStuck];
  };

  it('are stuck when the account lets none go, or when each has failed; not while one is under way or in line', () => {
    expect(verdict()).toEqual([0, undefined, false]);
    expect(verdict(queued(3))).toEqual([3, undefined, false]);
    expect(verdict(queued(3), queued(1, 'S3_THROTTLED'))).toEqual([4, 'S3_THROTTLED', false]);
    expect(verdict(queued(3, 'S3_INTERNAL'), queued(1, 'S3_THROTTLED'))).toEqual([4, 'S3_INTERNAL', true]);
    expect(verdict(queued(3), queued(2, 'S3_THROTTLED'), queued(1, 'ACCESS_DENIED'))).toEqual([
      6,
      'ACCESS_DENIED',
      true,
    ]);
    expect(verdict({ ...queued(1, 'ACCESS_DENIED'), state: 'uploading' })).toEqual([1, 'ACCESS_DENIED', false]);
  });
});

describe('paths that a job may ask for', () => {
  const roots = ['/var/log/app', '/data'];
  it.each([
    '/var/log/app/a.log',
    '/var/log/app/',
    '/var/log/app/**/*.log',
    '/var/**',
    '/**/*.log',
    'sub/*.log',
    '/data',
  ])('%s may mean something', (path) => expect(findPathProblem(path, roots)).toBeUndefined());
  it.each([
    '/var/log/app/*a*b*c*d',
    '/var/**/a/**/b/**',
    '/etc/passwd',
    '/var/log/application/a',
    '/var/log/app/../x',
    '../x',
    '/var/log',
    '/etc/*.conf',
    '/',
  ])('%s is refused', (path) => expect(findPathProblem(path, roots)).toMatch(/^its path/));
});

describe('a job after a failure', () => {
  const none = { failures: 1, expired: 0, damaged: 0, barrenMs: 0 };
  const kind = (code: ConstructorParameters<typeof TransferError>[0], setbacks: Partial<typeof none> = {}) =>
    decideAfterFailure(new TransferError(code, ''), { ...none, ...setbacks }, 1_000).kind;

  it('goes on while that makes sense, and no longer', () => {
    expect([kind('S3_UNREACHABLE'), kind('S3_UNREACHABLE', { barrenMs: 1_000 })]).toEqual(['again', 'fail']);
    expect([kind('URL_EXPIRED', { expired: 2 }), kind('URL_EXPIRED', { expired: 3 })]).toEqual(['again', 'fail']);
    expect([kind('DOWNLOAD_DAMAGED', { damaged: 2 }), kind('DOWNLOAD_DAMAGED', { damaged: 3 })]).toEqual([
      'again',
      'fail',
    ]);
    expect([kind('NO_ROOM'), kind('NO_ROOM', { failures: 3 })]).toEqual(['again', 'fail']);
    expect([kind('URL_REFUSED'), kind('ARCHIVE_REFUSED'), kind('SOURCE_MISSING')]).toEqual(['fail', 'fail', 'fail']);
    expect([kind('ACCESS_DENIED'), kind('ACCESS_DENIED', { barrenMs: 1_000 })]).toEqual(['again', 'fail']);
  });

  it('asks first whether the cloud can be reached where only time has passed', () => {
    const next = (code: ConstructorParameters<typeof TransferError>[0]) =>
      decideAfterFailure(new TransferError(code, ''), { ...none, failures: 3, barrenMs: 1_000 }, 1_000);
    for (const code of ['S3_UNREACHABLE', 'ACCESS_DENIED', 'S3_THROTTLED'] as const)
      expect(next(code)).toEqual({ kind: 'fail', ifReachable: true });
    for (const code of ['URL_REFUSED', 'NO_ROOM', 'SOURCE_MISSING'] as const)
      expect(next(code)).toEqual({ kind: 'fail', ifReachable: false });
  });
});

it('the words of the life of a job are those of its table', () => {
  const words = (column: string): string[] =>
    [
      ...new RegExp(`${column} +TEXT.*CHECK \\(${column} IN \\(([^)]*)\\)`)
        .exec(JOBS_MIGRATION)![1]!
        .matchAll(/'(\w+)'/g),
    ].map(([, word]) => word!);
  expect(words('state')).toEqual(Object.keys(TRANSITIONS));
  expect(words('status')).toEqual([...ENDS]);
});
