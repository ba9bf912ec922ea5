import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTemplate } from '../../src/cloud/template/make-template';
import { Courier } from '../support/courier';
import { InboxSite } from '../support/inbox-site';
import { until } from '../support/until';
import { urlPlaceholder } from '../support/url-placeholder';
import { resolveTemplate } from './resolve-template';

/** The component itself in an account that the template has made: all it does, by its policies and nothing wider. */
describe('a device in an account of the template', () => {
  let site: InboxSite;
  afterEach(() => site.end());

  const begin = async (parameters: Record<string, string>, config: Record<string, object> = {}) => {
    site = await InboxSite.create({ config: { outboxes: [{ path: 'set below' }], ...config } });
    const { cloud, sections } = site.courier;
    const { accountId, region } = cloud;
    const { resources, outputs } = resolveTemplate(makeTemplate({ tokenVendor: '', inboxNotifier: '' }), {
      parameters: { BucketName: Courier.bucket, ...parameters },
      accountId,
      region,
    });
    cloud.createRoleAlias('courier', { policy: resources.DeviceRole.Properties.Policies[0].PolicyDocument });
    await cloud.createThing(Courier.thing, { certificatePolicy: resources.ThingPolicy.Properties.PolicyDocument });
    cloud.createBucket(Courier.bucket, { notifiesInbox: true });
    site.courier.claims();
    sections.inbox = { ...sections.inbox, archivePrefix: outputs.ArchivePrefix as string };
    sections.jobs = { dir: join(site.courier.dir, 'jobs') };
    sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    await site.courier.start();
    return { cloud, resources };
  };
  const status = () => site.courier.component.status();
  /** Without a condition-free ListBucket S3 does not say of a key that it is free: HEAD is answered 403, and that is right. */
  const refused = () => ({
    requests: site.courier.cloud.requests.filter(
      ({ operation, status }) => status === 403 && operation !== 'HeadObject',
    ),
    topics: site.courier.cloud.mqtt.denials,
    problems: status().messages?.problems,
  });
  const NONE = { requests: [], topics: [], problems: [] };

  it.each([
    { ArchiveDays: '0', archived: 'device00/archive/a.txt' },
    { ArchiveDays: '7', archived: '.archive/device00/a.txt' },
  ])(
    'uploads, fetches, archives and takes jobs, and is refused nothing (archive $archived)',
    async ({ ArchiveDays, archived }) => {
      const s3 = { tags: { class: 'log' } };
      const upload = { singlePutMaxBytes: 1_048_576, partSizeBytes: 5_242_880 };
      const { cloud, resources } = await begin({ ArchiveDays }, { s3, upload });
      const large = randomBytes(6_000_000);
      site.courier.drop('small.txt', 'hello');
      site.courier.drop('large.bin', large);
      await site.courier.delivered(2);
      expect(large.equals(await site.courier.content('device00/outbox/large.bin'))).toBe(true);

      await until(
        'subscribed',
        () => status().messages?.topics.includes('courier/device00/inbox/pull') === true,
        status,
      );
      await site.put('device00/inbox/a.txt', 'down', { Tagging: 'from=us' });
      await until('archived', () => site.courier.keys().includes(archived), status);
      expect(site.read('a.txt')).toBe('down');
      await until('removed', () => !site.courier.keys().includes('device00/inbox/a.txt'), status);
      await until('a result', () => cloud.mqtt.publishedTo('courier/device00/inbox/result').length > 0, status);

      await site.put('firmware/app.bin', 'new');
      cloud.jobs.control.createJob({
        jobId: 'job-1',
        targets: [Courier.thing],
        document: { operation: 'install', url: urlPlaceholder({ bucket: Courier.bucket, key: 'firmware/app.bin' }) },
        presignedUrlConfig: { rolePolicy: resources.JobsRole.Properties.Policies[0].PolicyDocument },
      });
      const file = join(site.courier.dir, 'jobs/app.bin');
      await until(
        'the job is done',
        () => cloud.jobs.control.describeJobExecution('job-1', Courier.thing).status === 'SUCCEEDED',
        status,
      );
      expect(existsSync(file) && readFileSync(file, 'utf8')).toBe('new');
      expect(refused()).toEqual(NONE);
    },
  );

  it('has credentials alone where things may not connect', async () => {
    await begin({ DirectMqtt: 'false' });
    site.courier.drop('small.txt', 'hello');
    await site.courier.delivered(1);
    await until('mqtt is off', () => status().mqtt?.state === 'off', status);
    expect(status().mqtt?.reason).toContain('iot:Connect');
    expect(refused().requests).toEqual([]);
  });
});
