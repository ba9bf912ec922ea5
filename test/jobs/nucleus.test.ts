import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { CoreDevice } from '../support/core-device';
import type { AccessControlDocument } from '../support/nucleus/access-control';
import { until } from '../support/until';
import { urlPlaceholder } from '../support/url-placeholder';

let device: CoreDevice;

const recipe = parse(readFileSync(resolve(__dirname, '../../recipe/recipe.yaml'), 'utf8')) as {
  ComponentConfiguration: { DefaultConfiguration: { accessControl: AccessControlDocument } };
};
const { accessControl } = recipe.ComponentConfiguration.DefaultConfiguration;

const send = (document: object): string =>
  device.cloud.jobs.control.createJob({
    jobId: `job-${Math.random().toString(36).slice(2, 10)}`,
    targets: [CoreDevice.thing],
    document,
    presignedUrlConfig: {},
  }).jobId;

async function ended(jobId: string) {
  const look = () => device.cloud.jobs.control.describeJobExecution(jobId, CoreDevice.thing);
  await until(
    `job ${jobId}`,
    () => !['QUEUED', 'IN_PROGRESS'].includes(look().status),
    () => [look(), device.logs.slice(-20)],
  );
  return look();
}
const url = (key: string): string => urlPlaceholder({ bucket: CoreDevice.bucket, key });

afterEach(() => device.end());

describe.each(['classic', 'lite'] as const)('a job through %s, by the accessControl of the recipe', (kind) => {
  beforeEach(async () => {
    device = await CoreDevice.create({ kind, accessControl, configuration: { jobs: { dir: 'jobs' } } });
    await device.put('depot/one', '1');
  });

  it('brings a file, whether it was sent before the start or after', async () => {
    const before = send({ url: url('depot/one'), path: 'before' });
    device.start();
    expect((await ended(before)).status).toBe('SUCCEEDED');
    const after = send({ operation: 'word', url: url('depot/one'), path: 'after' });
    expect((await ended(after)).status).toBe('SUCCEEDED');
    for (const name of ['before', 'after']) expect(readFileSync(join(device.work, 'jobs', name), 'utf8')).toBe('1');
    const asked = device.cloud.jobs.requests.map(({ topic }) => topic.split('/').at(-1));
    expect(asked).not.toContain('start-next'); // its answer carries the document
  });
});
