import { settingsFromEnv } from '../crash/run-settings';
import { Courier } from '../support/courier';
import { until } from '../support/until';
import { SOURCES, SourceRun } from './source-run';

const { full } = settingsFromEnv(process.env);
const COUNTS = full
  ? { files: 200, largeMib: 100, tokenSeconds: 6, mibPerSecond: 3 }
  : { files: 20, largeMib: 20, tokenSeconds: 2, mibPerSecond: 4 };

describe('with tokens that end many times and allow PutObject alone, on the local cloud', () => {
  it.each(SOURCES)(
    'all files arrive whole by %s, and nothing starts anew',
    async (source) => {
      const run = await SourceRun.create({ source, ...COUNTS });
      const { courier } = run;
      const { cloud } = courier;
      try {
        await run.begin();
        // Ended before their time, too, in the middle of the large file.
        for (const parts of [1, 2, 3]) {
          await until('a part more', () => run.findings.partsSent >= parts);
          cloud.expireTokens();
        }
        await run.finish();
        process.stdout.write(`local cloud, ${run.summary}\n`);
        for (const [path, digest] of run.digests)
          expect(await cloud.sha256(Courier.bucket, `device00/outbox/${path}`)).toBe(digest);
        const { tokens, parts, partsSent, sentPerByte, failures, refusals } = run.findings;
        expect({ partsSent, failures, refusals }).toEqual({ partsSent: parts, failures: 0, refusals: 0 });
        expect(cloud.counters).toMatchObject({ CreateMultipartUpload: 1, UploadPart: expect.any(Number) });
        expect(tokens).toBeGreaterThanOrEqual(full ? 6 : 3);
        // Small files, TLS and heads are in it; a part of the large one sent twice would add a twentieth, or a third.
        expect(sentPerByte).toBeLessThan(full ? 1.04 : 1.2);
      } finally {
        await run.end();
      }
    },
    300_000,
  );
});
