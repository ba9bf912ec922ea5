import { randomBytes } from 'node:crypto';
import { Courier } from '../support/courier';
import { until } from '../support/until';

const MIB = 1024 * 1024;

describe('what the account denies', () => {
  let courier: Courier;
  afterEach(() => courier.end());

  it.each([
    { name: "another thing's folder", key: 'device01/outbox/{path}', prefix: 'device01/outbox/' },
    { name: "the bucket's root", key: '{path}', prefix: '' },
  ])('seed E: $name is AccessDenied, told once, and costs the file nothing', async ({ key, prefix }) => {
    courier = await Courier.create();
    courier.sections.outboxes = [{ path: courier.outbox, key, rescanSeconds: 0.1, settleSeconds: 0, claim: 'leave' }];
    for (let i = 0; i < 50; i++) courier.drop(`f${i}`, 'x');
    await courier.start();
    await courier.logged('refused by the account, files wait and nothing is lost');
    await until(
      'two probes',
      () => courier.cloud.requests.filter(({ errorCode }) => errorCode === 'AccessDenied').length > 17,
    );
    const { uploads, refusals } = courier.component.status();
    expect(uploads).toMatchObject({ done: 0, failed: 0 });
    expect(refusals).toEqual([
      expect.objectContaining({
        scope: prefix,
        code: 'ACCESS_DENIED',
        message: expect.stringContaining('s3:PutObject') as string,
      }),
    ]);
    expect(courier.logs.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('is asked for again, and goes on when it is allowed', async () => {
    courier = await Courier.create({ policy: { Version: '2012-10-17', Statement: [] } });
    courier.drop('a.txt', 'x');
    await courier.start();
    await courier.logged('refused by the account, files wait and nothing is lost');
    courier.cloud.createRoleAlias('courier', {
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] },
    });
    courier.cloud.faults.add({ kind: 'error', operation: 'PutObject', code: 'ExpiredToken' }); // the policy comes with the next token
    await courier.delivered(1);
    await courier.logged('accepted again, going on');
  });

  it('for one outbox does not hold up another', async () => {
    courier = await Courier.create();
    const { mkdirSync, writeFileSync } = await import('node:fs');
    const other = `${courier.dir}/other`;
    mkdirSync(other);
    courier.sections.outboxes = [
      { path: courier.outbox, key: 'device01/{path}', rescanSeconds: 0.1, priority: 1 },
      { path: other, rescanSeconds: 0.1 },
    ];
    courier.drop('denied.txt', 'x');
    for (let i = 0; i < 20; i++) writeFileSync(`${other}/f${i}`, 'y');
    await courier.start();
    await until(
      'the allowed ones',
      () => courier.component.status().uploads.done === 20,
      () => courier.component.status(),
    );
    expect(courier.component.status().uploads.failed).toBe(0);
  });

  it('one poisoned file beside 1,000 good ones delays none', async () => {
    courier = await Courier.create();
    courier.drop('!poison', 'x');
    courier.cloud.faults.add({
      kind: 'internalError',
      operation: 'PutObject',
      key: /!poison/,
      count: Number.POSITIVE_INFINITY,
    });
    for (let i = 0; i < 1_000; i++) courier.drop(`f${i}`, 'x');
    await courier.start();
    await until(
      '1,000 delivered',
      () => courier.component.status().uploads.done === 1_000,
      () => courier.component.status(),
    );
    expect(courier.component.status().refusals.filter(({ scope }) => scope !== 's3')).toEqual([]);
    courier.cloud.faults.clear();
    await courier.delivered(1_001);
  });

  it('one denied file beside 1,000 good ones delays none', async () => {
    courier = await Courier.create();
    courier.drop('!denied', 'x');
    courier.cloud.faults.add({
      kind: 'error',
      code: 'AccessDenied',
      operation: 'PutObject',
      key: /!denied/,
      count: Number.POSITIVE_INFINITY,
    });
    for (let i = 0; i < 1_000; i++) courier.drop(`f${i}`, 'x');
    await courier.start();
    await until(
      '1,000 delivered',
      () => courier.component.status().uploads.done === 1_000,
      () => courier.component.status(),
    );
    courier.cloud.faults.clear();
    await courier.delivered(1_001);
  });

  it('PutObject alone is enough for parts, resumed after a stop', async () => {
    courier = await Courier.create({
      policy: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::fleet-bucket/*' }],
      },
      config: { upload: { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 } },
    });
    courier.drop('big.bin', randomBytes(16 * MIB));
    const stalled = courier.cloud.faults.add({ kind: 'stall', operation: 'UploadPart', skip: 2 });
    await courier.start();
    await stalled.waitForHits();
    await courier.stop();
    stalled.release();
    await courier.start();
    await courier.delivered(1);
    expect(courier.cloud.counters).toMatchObject({ CreateMultipartUpload: 1, UploadPart: 5, ListParts: 1 });
  });

  it("a bucket that is not there, or is somebody else's, is told with the next step", async () => {
    courier = await Courier.create({
      config: { s3: { bucket: 'no-such-bucket' } },
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] },
    });
    courier.drop('a.txt', 'x');
    await courier.start();
    const [line] = await courier.logged('refused by the account, files wait and nothing is lost');
    expect(line!.reason).toMatch(/there is no bucket no-such-bucket .* create it, or correct s3.bucket/);
    await courier.stop();
    Object.assign(courier.sections.s3!, { bucket: Courier.bucket, expectedBucketOwner: '999999999999' });
    await courier.start();
    const lines = await courier.logged('refused by the account, files wait and nothing is lost', 2);
    expect(lines[1]!.reason).toMatch(/denies s3:PutObject/);
  });
});

describe('when the key is taken', () => {
  let courier: Courier;
  afterEach(() => courier.end());
  const everything = {
    Version: '2012-10-17' as const,
    Statement: [{ Effect: 'Allow' as const, Action: 's3:*', Resource: '*' }],
  };

  /** A foreign object under the key of `path`, put there by another courier. */
  async function occupy(path: string): Promise<void> {
    courier.drop(path, 'foreign');
    await courier.start();
    await courier.delivered(1);
    await courier.stop();
    const { rmSync } = await import('node:fs');
    rmSync(`${courier.dir}/state`, { recursive: true });
  }

  it.each([
    { size: 100, onExisting: 'skip' },
    { size: 7 * MIB, onExisting: 'skip' },
    { size: 100, onExisting: 'rename' },
    { size: 7 * MIB, onExisting: 'rename' },
  ])('$onExisting with $size bytes', async ({ size, onExisting }) => {
    courier = await Courier.create({
      policy: everything,
      config: { upload: { onExisting, singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB } },
    });
    await occupy('a.bin');
    const content = randomBytes(size);
    courier.drop('a.bin', content);
    await courier.start();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/a.bin')).toString()).toBe('foreign');
    const others = courier.keys().filter((key) => key !== 'device00/outbox/a.bin');
    if (onExisting === 'skip') expect(others).toEqual([]);
    else {
      expect(others).toEqual([expect.stringMatching(/^device00\/outbox\/a-\d{8}T\d{6}Z\.bin$/)]);
      expect((await courier.content(others[0]!)).equals(content)).toBe(true);
    }
  });

  it.each(['skip', 'rename'] as const)('%s: a lost answer to our own PUT is recognised as ours', async (onExisting) => {
    courier = await Courier.create({ policy: everything, config: { upload: { onExisting } } });
    courier.cloud.faults.add({ kind: 'dropAfter', operation: 'PutObject' });
    courier.drop('a.txt', 'mine');
    await courier.start();
    await courier.delivered(1);
    expect(courier.keys()).toEqual(['device00/outbox/a.txt']);
    const [row] = courier.component.list('done');
    expect(row).toMatchObject({ outcome: 'delivered', key: 'device00/outbox/a.txt' });
  });

  it('without HEAD, a row that was only taken when the power went is not counted as delivered', async () => {
    const putOnly = {
      Version: '2012-10-17' as const,
      Statement: [{ Effect: 'Allow' as const, Action: 's3:PutObject', Resource: '*' }],
    };
    courier = await Courier.create({ policy: putOnly, config: { upload: { onExisting: 'rename' } } });
    await occupy('a.txt');
    courier.drop('a.txt', 'mine');
    await courier.cloud.goOffline();
    await courier.start();
    await courier.logged('link is down, waiting');
    await courier.stop();
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(`${courier.dir}/state/ledger.sqlite`);
    db.exec("UPDATE upload SET state = 'uploading', outcome_unknown = 0"); // as a power cut leaves what is taken ahead
    db.close();
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/a.txt')).toString()).toBe('foreign');
    expect(courier.keys()).toHaveLength(2);
  });

  it('without HEAD an object counts as ours only after a lost answer, and that is said', async () => {
    courier = await Courier.create({
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: '*' }] },
      config: { upload: { onExisting: 'rename' } },
    });
    courier.cloud.faults.add({ kind: 'dropAfter', operation: 'PutObject', key: /lost/ });
    courier.drop('lost.txt', 'mine');
    await courier.start();
    await courier.delivered(1);
    await courier.logged('the key is taken after a lost answer, counted as our own; s3:GetObject would tell');
    expect(courier.keys()).toEqual(['device00/outbox/lost.txt']);
    await courier.stop();
    const { rmSync } = await import('node:fs');
    rmSync(`${courier.dir}/state`, { recursive: true });
    courier.drop('lost.txt', 'other');
    await courier.start();
    await courier.delivered(1);
    expect((await courier.content('device00/outbox/lost.txt')).toString()).toBe('mine');
    expect(courier.keys()).toHaveLength(2);
  });
});
