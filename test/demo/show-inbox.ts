import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { adminS3 } from '../support/admin-s3';
import { DemoFailure } from './demo-failure';
import type { DemoReport } from './demo-report';
import type { DemoSite } from './demo-site';

/** One by PUT as consoles do it, one with a name that wants encoding. */
const OBJECTS = { 'setting.json': 300, 'maps/straße + 100%.bin': 2_500_000 };
const LOOK_MS = 50;

/**
 * Puts objects into the bucket's inbox, and waits until they have landed on the device and lie in the archive. The
 * account's notifier sends the device the message.
 * @throws DemoFailure
 */
export async function showInbox(
  site: DemoSite,
  { counts, problems }: DemoReport,
  say: (line: string) => void,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { cloud, device } = site;
  const s3 = adminS3(cloud);
  try {
    for (const [name, sizeBytes] of Object.entries(OBJECTS)) {
      const content = randomBytes(sizeBytes);
      const [from, to] = [`${device.thing}/inbox/${name}`, `${device.thing}/archive/${name}`];
      await s3.send(new PutObjectCommand({ Bucket: device.bucket, Key: from, Body: content }));
      while (cloud.findObject(device.bucket, to) === undefined || cloud.findObject(device.bucket, from) !== undefined) {
        if (signal.aborted) throw new DemoFailure('interrupted before the inbox was shown');
        if (performance.now() > deadlineMs)
          throw new DemoFailure(`${from} did not come down in time; the daemon's last output:\n${site.lastOutput}`);
        await delay(LOOK_MS);
      }
      const landed = await readFile(join(site.inbox, name)).catch(() => undefined);
      const isEqual = landed?.equals(content) === true;
      counts.archived += 1;
      if (isEqual) counts.pulled += 1;
      else problems.push(`${name} in ${site.inbox} is not what was put into the bucket`);
      say(`  ${isEqual ? 'landed ' : 'DIFFERS'}  ${name}, and archived as ${to}`);
    }
  } finally {
    s3.destroy();
  }
}
