import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { settingsFromEnv } from '../crash/run-settings';
import type { Engine, PolicyDocument } from '../engines/engine';
import { radosgw } from '../engines/radosgw';
import { seedEPolicy } from '../local-cloud/seed-policies';
import { Courier } from '../support/courier';
import { SOURCES, SourceRun } from './source-run';

const { full } = settingsFromEnv(process.env);
const COUNTS = full
  ? { files: 200, largeMib: 100, tokenSeconds: 6, mibPerSecond: 2 }
  : { files: 20, largeMib: 30, tokenSeconds: 6, mibPerSecond: 2 };
const missing = radosgw.findMissing();
if (missing !== undefined) process.stderr.write(`every source on radosgw skipped: ${missing}\n`);

/** Tokens of AssumeRole with a session policy, which a real engine enforces. */
(missing === undefined ? describe : describe.skip)(
  'with tokens that end many times and allow PutObject alone, on radosgw',
  () => {
    let engine: Engine;

    beforeAll(async () => {
      engine = await radosgw.start();
      await engine.createBucket(Courier.bucket);
    });
    afterAll(() => engine.stop());

    async function digestOf(s3: S3Client, key: string): Promise<string> {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: Courier.bucket, Key: key }));
      return createHash('sha256')
        .update(await Body!.transformToByteArray())
        .digest('hex');
    }

    it.each(SOURCES)(
      'all files arrive whole by %s, and nothing starts anew',
      async (source) => {
        const { endpoint, region, pathStyle, caFile } = engine;
        const run = await SourceRun.create({
          source,
          ...COUNTS,
          s3: { endpoint, region, pathStyle, caFile },
          upload: { integrity: 'md5' },
        });
        const { courier } = run;
        courier.cloud.issueFrom(({ policy, sessionPolicy, variables, seconds }) =>
          engine.issueKeys({ policy: (sessionPolicy ?? policy) as PolicyDocument, variables, seconds }),
        );
        try {
          await run.begin();
          await run.finish();
          process.stdout.write(`radosgw, ${run.summary}\n`);
          const { tokens, parts, partsSent, sentPerByte, failures, refusals } = run.findings;
          expect({ partsSent, failures, refusals }).toEqual({ partsSent: parts, failures: 0, refusals: 0 });
          expect(tokens).toBeGreaterThanOrEqual(full ? 4 : 2);
          expect(sentPerByte).toBeLessThan(full ? 1.04 : 1.1);
          // An object belongs to who wrote it: read with the role, as the device would.
          const credentials = await engine.issueKeys({
            policy: seedEPolicy(Courier.bucket) as PolicyDocument,
            variables: { 'credentials-iot:ThingName': Courier.thing },
            seconds: 120,
          });
          const s3 = new S3Client({
            endpoint,
            region,
            forcePathStyle: true,
            credentials,
            requestHandler: { httpsAgent: new Agent({ ca: readFileSync(caFile!) }) },
          });
          for (const [path, digest] of run.digests) expect(await digestOf(s3, `device00/outbox/${path}`)).toBe(digest);
          s3.destroy();
        } finally {
          await run.end();
        }
      },
      300_000,
    );
  },
);
