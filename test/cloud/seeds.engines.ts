import { randomBytes } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';
import { deviates, type PolicyDocument } from '../engines/engine';
import { NotedS3 } from '../engines/noted-s3';
import { Radosgw, radosgw } from '../engines/radosgw';
import { presignGet } from '../engines/signed-request';
import { SEED_RUNS, tableOf } from './seed-runs';
import { type OtherS3, SeedSite } from './seed-site';

const missing = radosgw.findMissing();
if (missing !== undefined) process.stderr.write(`the seeds on radosgw skipped: ${missing}\n`);

/** The S3 half of the same tables, as another S3 reads the same policies; credentials, MQTT and jobs stay the local cloud's. */
(missing === undefined ? describe : describe.skip)('radosgw', () => {
  let engine: Radosgw;
  let owner: S3Client;
  let noted: NotedS3;
  let site: SeedSite | undefined;

  beforeAll(async () => {
    engine = await Radosgw.start();
    // An object belongs to who wrote it: to the role, then.
    const everything: PolicyDocument = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: 'arn:aws:s3:::*' }],
    };
    const credentials = await engine.issueKeys({ policy: everything, seconds: 3_600 });
    const { plainEndpoint: endpoint, region } = engine;
    owner = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  });
  afterAll(async () => {
    owner?.destroy();
    await engine?.stop();
  });
  beforeEach(async () => {
    noted = await NotedS3.start(engine.plainEndpoint);
  });
  afterEach(async () => {
    await site?.end();
    site = undefined;
    await noted.stop();
  });

  async function otherS3(): Promise<OtherS3> {
    const bucket = `seeds-${randomBytes(4).toString('hex')}`;
    for (const name of [bucket, `${bucket}-other`]) await engine.createBucket(name);
    const { region } = engine;
    const { endpoint, caFile, requests: calls } = noted;
    return {
      bucket,
      s3: { endpoint, region, caFile },
      upload: { integrity: 'md5' },
      owner,
      calls,
      issueKeys: ({ policy, ...more }) => engine.issueKeys({ ...more, policy: policy as PolicyDocument }),
      presign: async (policy, from, key) => {
        const keys = await engine.issueKeys({ policy: policy as PolicyDocument, seconds: 3_600 });
        const path = `/${from}/${key}`;
        return endpoint + (await presignGet({ endpoint, region, service: 's3', keys, path }, 3_600, new Date()));
      },
    };
  }

  it.each(SEED_RUNS)('seed $seed, $kind: $does', async (run) => {
    site = await SeedSite.create(run.seed, run.kind, await otherS3());
    await run.act(site);
    expect(site.calls).toEqual(tableOf(run, deviates(radosgw, 'missing-key-told-to-all') ? 'told' : 'hidden'));
  });
});
