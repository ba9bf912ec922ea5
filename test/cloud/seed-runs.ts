import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Courier } from '../support/courier';
import type { SeedName } from './seed-account';
import type { AccountKind, Calls, SeedSite } from './seed-site';
import {
  HEARS,
  IN_PARTS,
  inbox,
  isHeard,
  looksWhether,
  moves,
  outbox,
  pullAndMove,
  TELLS,
  uploadByTokens,
  writeElsewhere,
} from './seed-steps';

export interface SeedRun {
  readonly seed: SeedName;
  readonly kind: AccountKind;
  readonly does: string;
  readonly act: (site: SeedSite) => Promise<void>;
  /** All that it asks for, and nothing beside: what must pass, and what must be denied. */
  readonly calls: Calls;
  /** And where S3 does not tell who may not list without a condition that a key is free; AWS does not. */
  readonly whereHidden?: Calls;
  /** And where it does. */
  readonly whereTold?: Calls;
}

/** The table of an S3 that hides what is missing, or tells it. */
export function tableOf({ calls, whereHidden, whereTold }: SeedRun, missing: 'hidden' | 'told'): Calls {
  const more = missing === 'hidden' ? whereHidden : whereTold;
  const rows = (name: keyof Calls): string[] => [...calls[name], ...(more?.[name] ?? [])].sort();
  return { passes: rows('passes'), isDenied: rows('isDenied') };
}

const A_HOW_TO: SeedRun = {
  seed: 'A',
  kind: 'how-to',
  does: 'lists, fetches and moves one file, and may tell, not listen',
  act: (site) =>
    pullAndMove(site, {
      from: 'swx-test-a',
      to: 'swx-test-b',
      inbox: { prefix: 'swx-test-a', archivePrefix: 'swx-test-b' },
      credentials: { roleAlias: { ...site.roleAlias, thingNameHeader: false } }, // nor does the how-to send it
      ends: async () => {
        await site.untilPassed(TELLS);
        for (const topic of ['inbox/pull', 'self']) await site.untilDenied(`iot:Subscribe courier/device00/${topic}`);
      },
    }),
  calls: {
    passes: [
      'Credentials courier',
      'ListObjectsV2 swx-test-a/',
      ...moves('swx-test-a/test.txt', 'swx-test-b/test.txt'),
      'iot:Connect device00',
      TELLS,
    ],
    isDenied: ['iot:Subscribe courier/device00/inbox/pull', 'iot:Subscribe courier/device00/self'],
  },
};

const A_TEMPLATE: SeedRun = {
  seed: 'A',
  kind: 'template',
  does: 'does it in its own folder, and elsewhere nothing',
  act: async (site) => {
    await pullAndMove(site, { from: 'device00/inbox', to: 'device00/archive', ends: isHeard });
    const elsewhere = { prefix: 'swx-test-a', archivePrefix: 'swx-test-b', pullTopic: 'courier/device01/inbox/pull' };
    await site.live({ inbox: inbox(site, elsewhere) }, async () => {
      await site.untilDenied('ListObjectsV2 swx-test-a/');
      await site.untilDenied('iot:Subscribe courier/device01/inbox/pull');
    });
  },
  calls: {
    passes: [
      'Credentials courier',
      'ListObjectsV2 device00/inbox/',
      ...moves('device00/inbox/test.txt', 'device00/archive/test.txt'),
      ...HEARS,
      TELLS,
    ],
    isDenied: ['ListObjectsV2 swx-test-a/', 'iot:Subscribe courier/device01/inbox/pull'],
  },
  whereHidden: looksWhether('device00/archive/test.txt'),
};

const B = (kind: AccountKind): SeedRun => ({
  seed: 'B',
  kind,
  does: 'puts into its own folder by tokens, and resumes by its own record of parts',
  act: uploadByTokens,
  calls: {
    passes: [
      'iot:Connect device00',
      'iot:Publish device00/token/req',
      'iot:Subscribe device00/token/res',
      'iot:Receive device00/token/res',
      'PutObject device00/outbox/test.txt',
      ...IN_PARTS.map((operation) => `${operation} device00/outbox/large.bin`),
    ],
    isDenied: [
      'ListParts device00/outbox/large.bin',
      'PutObject device01/test.txt',
      'PutObject test.txt',
      'iot:Subscribe device01/token/res',
    ],
  },
});

const C_HOW_TO: SeedRun = {
  seed: 'C',
  kind: 'how-to',
  does: 'fetches by name; what it may not move has landed, and that is said once',
  act: async (site) => {
    for (const key of ['hoge.txt', 'device00/inbox/a.txt', 'device00/inbox/b.txt']) await site.put(key, key);
    const root = inbox(site, { keys: ['hoge.txt'] });
    await site.live({ inbox: root }, async () => {
      await site.until('landed', () => existsSync(join(root.dir, 'hoge.txt')));
      await site.untilPassed('HeadObject hoge.txt');
      await site.untilDenied('iot:Connect device00');
    });
    const own = inbox(site);
    await site.live({ inbox: own }, async (component) => {
      await site.untilDenied('ListObjectsV2 device00/inbox/');
      for (const name of ['a.txt', 'b.txt']) {
        await component.pull([`device00/inbox/${name}`]);
        await site.until('landed', () => existsSync(join(own.dir, name)) && component.status().inbox?.open === 0);
      }
    });
    expect(await site.keys()).toEqual(['device00/inbox/a.txt', 'device00/inbox/b.txt', 'hoge.txt']);
    const said = site.courier.logs.filter(({ message }) => message === 'landed, not archived: access denied');
    expect(said).toHaveLength(1);
  },
  calls: {
    passes: [
      'Credentials courier',
      ...['hoge.txt', 'device00/inbox/a.txt', 'device00/inbox/b.txt'].flatMap((key) => [
        `GetObject ${key}`,
        `HeadObject ${key}`,
      ]),
    ],
    isDenied: ['iot:Connect device00', 'ListObjectsV2 device00/inbox/'],
  },
  whereHidden: {
    passes: [],
    isDenied: [
      'ListObjectsV2 device00/archive/a.txt',
      // Nobody says whether a name is free in the archive: one with the time in it is taken to be.
      ...['a', 'b'].flatMap((name) => [
        `HeadObject device00/archive/${name}.txt`,
        `HeadObject device00/archive/${name}-<time>.txt`,
        `CopyObject device00/archive/${name}-<time>.txt`,
      ]),
    ],
  },
  whereTold: {
    passes: ['HeadObject device00/archive/a.txt', 'HeadObject device00/archive/b.txt'],
    isDenied: ['CopyObject device00/archive/a.txt', 'CopyObject device00/archive/b.txt'],
  },
};

const C_TEMPLATE: SeedRun = {
  seed: 'C',
  kind: 'template',
  does: 'fetches by name from its own folder and moves it, and gets nothing at the root',
  act: async (site) => {
    for (const key of ['hoge.txt', 'device00/inbox/a.txt']) await site.put(key, key);
    await site.live({ inbox: inbox(site, { keys: ['hoge.txt'] }) }, () => site.untilDenied('GetObject hoge.txt'));
    await site.live({ inbox: inbox(site, { keys: ['device00/inbox/a.txt'] }) }, async () => {
      await site.untilPassed('DeleteObject device00/inbox/a.txt');
      await isHeard(site);
    });
    expect(await site.keys()).toEqual(['device00/archive/a.txt', 'hoge.txt']);
  },
  calls: {
    passes: ['Credentials courier', ...moves('device00/inbox/a.txt', 'device00/archive/a.txt'), ...HEARS, TELLS],
    isDenied: ['GetObject hoge.txt'],
  },
  whereHidden: looksWhether('device00/archive/a.txt'),
};

const JOB = '$aws/things/device00/jobs';

const D = (kind: AccountKind): SeedRun => ({
  seed: 'D',
  kind,
  does: 'takes jobs and fetches what their URLs allow; asks for tokens, and is not to',
  act: async (site) => {
    await site.put('firmware/app.bin', 'new');
    await site.put('firmware/app.bin', 'secret', { Bucket: site.otherBucket });
    const { control } = site.courier.cloud.jobs;
    const send = async (jobId: string, bucket: string): Promise<void> => {
      const { url, ...more } = await site.url('firmware/app.bin', bucket);
      control.createJob({ jobId, targets: [Courier.thing], document: { operation: 'my-word', url }, ...more });
    };
    const ended = (jobId: string) => {
      const { status, statusDetails } = control.describeJobExecution(jobId, Courier.thing);
      return [status, statusDetails.code];
    };
    await send('job-1', site.bucket);
    await send('job-2', site.otherBucket);
    const dir = site.folder('jobs');
    await site.live({ jobs: { dir } }, async () => {
      await site.until('the job is done', () => ended('job-2')[0] === 'FAILED');
      for (const topic of ['notify', 'notify-next', 'job-2/update/accepted'])
        await site.untilPassed(`iot:Receive ${JOB}/${topic}`);
    });
    expect([ended('job-1'), ended('job-2')]).toEqual([
      ['SUCCEEDED', undefined],
      ['FAILED', 'URL_REFUSED'],
    ]);
    expect(readFileSync(join(dir, 'app.bin'), 'utf8')).toBe('new');
    const credentials = { source: 'mqtt-token' };
    await site.live({ credentials, outboxes: [outbox(site, 'own', '{thing}/{path}')] }, () =>
      site.untilDenied('iot:Subscribe device00/token/res'),
    );
  },
  calls: {
    passes: [
      'iot:Connect device00',
      ...['notify', 'notify-next', 'start-next/+', '+/get/+', '+/update/+'].map(
        (topic) => `iot:Subscribe ${JOB}/${topic}`,
      ),
      ...['start-next', 'job-1/update', 'job-2/update'].flatMap((topic) => [
        `iot:Publish ${JOB}/${topic}`,
        `iot:Receive ${JOB}/${topic}/accepted`,
      ]),
      `iot:Receive ${JOB}/notify`,
      `iot:Receive ${JOB}/notify-next`,
      'GetObject firmware/app.bin',
    ],
    isDenied: ['GetObject other bucket: firmware/app.bin', 'iot:Subscribe device00/token/res'],
  },
});

const E = (kind: AccountKind): SeedRun => ({
  seed: 'E',
  kind,
  does: 'reads and writes its own folder, and no other',
  act: async (site) => {
    const isTemplate = kind === 'template';
    for (const name of ['setting', 'astray']) await site.put(`device00/inbox/${name}.json`, '{}');
    await site.put('device01/inbox/secret', 'x');
    const own = inbox(site, { only: 'setting.json' });
    await site.live({ inbox: own, outboxes: [outbox(site, 'own', '{thing}/{path}')] }, async () => {
      await site.untilPassed('PutObject device00/test.txt');
      await site.untilPassed('DeleteObject device00/inbox/setting.json');
      await (isTemplate ? isHeard(site) : site.untilDenied('iot:Connect device00'));
    });
    await site.live({ inbox: inbox(site, { prefix: 'device01/inbox' }) }, async (component) => {
      await site.untilDenied('ListObjectsV2 device01/inbox/');
      await component.pull(['device01/inbox/secret']);
      await site.untilDenied('HeadObject device01/inbox/secret');
      await site.until('given up for now', () => component.status().inbox?.problems.length === 2);
    });
    await site.live({ inbox: inbox(site, { only: 'astray.json', archivePrefix: 'device01/archive' }) }, () =>
      site.courier.logged('landed, not archived: access denied'),
    );
    await writeElsewhere(site, {});
    expect(await site.keys()).toEqual([
      'device00/archive/setting.json',
      'device00/inbox/astray.json',
      'device00/test.txt',
      'device01/inbox/secret',
    ]);
  },
  calls: {
    passes: [
      'Credentials courier',
      'PutObject device00/test.txt',
      'ListObjectsV2 device00/inbox/',
      ...moves('device00/inbox/setting.json', 'device00/archive/setting.json'),
      'HeadObject device00/inbox/astray.json',
      'GetObject device00/inbox/astray.json',
      ...(kind === 'template' ? [...HEARS, TELLS] : []),
    ],
    isDenied: [
      'ListObjectsV2 device01/inbox/',
      'HeadObject device01/inbox/secret',
      'ListObjectsV2 device01/inbox/secret',
      'PutObject device01/test.txt',
      'PutObject test.txt',
      ...(kind === 'template' ? [] : ['iot:Connect device00']),
    ],
  },
  whereHidden: {
    passes: ['ListObjectsV2 device00/archive/setting.json'],
    isDenied: [
      'HeadObject device00/archive/setting.json',
      'HeadObject device01/archive/astray.json',
      'ListObjectsV2 device01/archive/astray.json',
      'HeadObject device01/archive/astray-<time>.json',
      'CopyObject device01/archive/astray-<time>.json',
    ],
  },
  whereTold: {
    passes: ['HeadObject device01/archive/astray.json'],
    isDenied: ['CopyObject device01/archive/astray.json'],
  },
});

/** Each how-to in an account of its own, and in one of the template. */
export const SEED_RUNS: readonly SeedRun[] = [
  A_HOW_TO,
  A_TEMPLATE,
  B('how-to'),
  B('template'),
  C_HOW_TO,
  C_TEMPLATE,
  D('how-to'),
  D('template'),
  E('how-to'),
  E('template'),
];
