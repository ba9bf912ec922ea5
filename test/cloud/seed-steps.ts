import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Calls, SeedSite } from './seed-site';

const MIB = 1024 * 1024;

/** A new one, that is looked through once. */
export const inbox = (site: SeedSite, more: object = {}) => ({ dir: site.folder('inbox'), pollMinutes: 0, ...more });

/** A new outbox with one small file. */
export function outbox(site: SeedSite, name: string, key: string) {
  const path = site.folder(name);
  mkdirSync(path);
  writeFileSync(join(path, 'test.txt'), name);
  return { path, key, rescanSeconds: 0.1, settleSeconds: 0, deleteGraceSeconds: 0 };
}

export async function pullAndMove(
  site: SeedSite,
  { from, to, ends, ...more }: { from: string; to: string; ends: Ends; inbox?: object; credentials?: object },
): Promise<void> {
  await site.put(`${from}/test.txt`, 'down');
  await site.put(`${from}/other.txt`, 'stays');
  const section = inbox(site, { only: 'test.txt', ...more.inbox });
  await site.live({ ...more, inbox: section }, async () => {
    await site.untilPassed(`DeleteObject ${from}/test.txt`);
    await ends(site);
  });
  expect(readFileSync(join(section.dir, 'test.txt'), 'utf8')).toBe('down');
  expect(await site.keys()).toEqual([`${from}/other.txt`, `${to}/test.txt`].sort());
}

type Ends = (site: SeedSite) => Promise<void>;

/** By the connection of its own that the template grants. */
export const HEARS = [
  'iot:Connect device00',
  'iot:Subscribe courier/device00/inbox/pull',
  'iot:Subscribe courier/device00/self',
  'iot:Publish courier/device00/self',
  'iot:Receive courier/device00/self',
];
export const TELLS = 'iot:Publish courier/device00/inbox/result';

export async function isHeard(site: SeedSite): Promise<void> {
  for (const call of [...HEARS, TELLS]) await site.untilPassed(call);
}

/** A small file, and a large one whose device stops after the first part; then what tokens are not good for. */
export async function uploadByTokens(site: SeedSite): Promise<void> {
  const credentials = { source: 'mqtt-token' };
  const upload = { singlePutMaxBytes: MIB, partSizeBytes: 5 * MIB, parallelParts: 1 };
  const own = outbox(site, 'own', '{thing}/outbox/{path}');
  const large = randomBytes(11 * MIB);
  writeFileSync(join(own.path, 'large.bin'), large);
  site.holdParts(true);
  const state = await site.live({ credentials, upload, outboxes: [own] }, async () => {
    await site.untilPassed('UploadPart device00/outbox/large.bin');
    await site.untilPassed('PutObject device00/outbox/test.txt');
    await site.courier.logged('part sent');
  });
  site.holdParts(false);
  // It goes on from its own record of parts.
  await site.live({ credentials, upload, outboxes: [own], state }, async () => {
    await site.untilPassed('CompleteMultipartUpload device00/outbox/large.bin');
    await site.until('delivered', () => !existsSync(join(own.path, 'large.bin')));
  });
  expect(site.courier.logs.filter(({ message }) => message === 'part sent')).toHaveLength(3);
  expect(large.equals(await site.content('device00/outbox/large.bin'))).toBe(true);
  await writeElsewhere(site, { credentials });
  const topics = { requestTopic: 'device01/token/req', responseTopic: 'device01/token/res' };
  const outboxes = [outbox(site, 'own', '{thing}/outbox/{path}')];
  await site.live({ credentials: { ...credentials, mqttToken: topics }, outboxes }, () =>
    site.untilDenied('iot:Subscribe device01/token/res'),
  );
}

/** What nothing of the how-tos' grants: another thing's folder, and the root of the bucket. */
export async function writeElsewhere(site: SeedSite, more: Record<string, object>): Promise<void> {
  const outboxes = [outbox(site, 'foreign', 'device01/{path}'), outbox(site, 'root', '{path}')];
  await site.live({ ...more, outboxes }, async () => {
    await site.untilDenied('PutObject device01/test.txt');
    await site.untilDenied('PutObject test.txt');
    await site.until('waiting', () => site.courier.component.status().uploads.queued === 2);
  });
}

/** All calls that bring an object down and into the archive, where its name is free. */
export const moves = (from: string, to: string) => [
  `HeadObject ${from}`,
  `GetObject ${from}`,
  `CopyObject ${to}`,
  `HeadObject ${to}`,
  `DeleteObject ${from}`,
];
/** Whether a key is free, asked in vain and then by a listing. */
export const looksWhether = (key: string): Calls => ({
  passes: [`ListObjectsV2 ${key}`],
  isDenied: [`HeadObject ${key}`],
});

export const IN_PARTS = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'];
