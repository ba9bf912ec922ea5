import { type Dirent, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { crc32 } from 'node:zlib';
import { LocalCloud } from '../../local-cloud/local-cloud';
import type { Device } from '../../support/device';
import type { SentJob } from '../job-sender';
import { findAltered, findUndone, findUnfinished as findUnfinishedJobs, type JobsEvidence } from '../judge-jobs';
import { journalBytes, readPuts } from './cloud-copy';
import { type Moment, PREFIX } from './device-life';
import { DiskImage } from './disk-image';
import { findLost, findUnfinished, INBOX } from './inbox-history';
import { judge, type LeftFile, type Verdict } from './judge';
import { type Row, readRows } from './ledger-rows';
import { inOtherBoot } from './other-boot';
import type { Versions } from './versions';

const WITHIN_MS = 90_000;

export interface Trial extends Verdict {
  /** Claimed and not delivered when the power went, by how their batch was synced. */
  readonly rows: readonly Row[];
  /** Names of objects that were deleted from the inbox before. */
  readonly deleted: number;
  /** Jobs that had succeeded before, and those that had not ended. */
  readonly done: number;
  readonly pending: number;
}

/**
 * The power is back: the copy is mounted, and the daemon started on it until it has nothing left to do.
 *
 * S3 is the one of the moment too. The device's own cloud went on after the cut, so what arrived there since proves
 * nothing; and a fresh one would not know the multipart uploads that the ledger speaks of, nor what the device saw
 * answered before, which counts as arrived. So the cloud's folder was copied while the writers stood still; what was
 * on the wire then and not yet in it is lost, as a cable would lose it. Its journal has a line for each object it ever
 * took: those of the device's cloud up to the moment, and those of its copy from then on, make the whole history of a
 * key, with versions that were replaced since. In it a version is recognised by size and CRC32, which this cloud
 * reckons itself from the bytes that came; the object that is there in the end, by its SHA-256.
 */
export async function tryMoment(
  { number, atMs, image, cloudDir, versions, inbox, jobs }: Moment,
  device: Device,
  ports: { readonly s3Port: number; readonly credentialsPort: number; readonly mqttPort: number },
): Promise<Trial> {
  const disk = new DiskImage(image, device.dir);
  const putsBefore = readPuts(cloudDir, PREFIX);
  const cloud = await LocalCloud.start({ dir: cloudDir, ...ports });
  const startBytes = journalBytes(cloudDir); // it writes its journal anew when it starts
  const printedBefore = device.output.length;
  const problems: string[] = [];
  try {
    disk.mount();
    try {
      const rowsBefore = readRows(device.stateDir, `${image}.ledger`);
      const left = findLeft(device, versions);
      const inboxFolder = join(device.dir, 'inbox');
      problems.push(...findLost(inbox, inboxFolder));
      const evidence = evidenceOf(jobs, device, cloud);
      const countOf = (...wanted: string[]) => jobs.filter(({ jobId }) => wanted.includes(evidence.statusOf(jobId)));
      const [done, pending] = [countOf('SUCCEEDED').length, countOf('QUEUED', 'IN_PROGRESS').length];
      problems.push(...(await findUndone(evidence)), ...findAltered(evidence));
      await inOtherBoot(`${image}.boot`, () => runToTheEnd(device, cloud, evidence, problems));
      problems.push(...findUnfinished(inbox, inboxFolder));
      problems.push(...(await findUnfinishedJobs(evidence, join(device.stateDir, 'collected'))));
      const output = device.output.slice(printedBefore);
      problems.push(...complaintsOf(output));
      const rowsAfter = readRows(device.stateDir, `${image}.ledger`);
      const objects = new Map<string, { sizeBytes: number; sha256: string }>();
      for (const { key, sizeBytes } of cloud.objects(device.bucket))
        objects.set(key, { sizeBytes, sha256: await cloud.sha256(device.bucket, key) });
      const putsAfter = readPuts(cloudDir, PREFIX, startBytes);
      const verdict = judge({
        atMs,
        versions,
        left,
        rowsBefore,
        rowsAfter,
        putsBefore,
        putsAfter,
        objects,
        prefix: PREFIX,
      });
      problems.push(...verdict.problems);
      return {
        ...verdict,
        problems: problems.map((problem) => `moment ${number}: ${problem}`),
        deleted: inbox.deleted.size,
        done,
        pending,
        rows: rowsBefore.filter(({ state }) => state === 'queued' || state === 'uploading'),
      };
    } finally {
      await device.kill();
      disk.unmount();
    }
  } finally {
    await cloud.stop();
    rmSync(cloudDir, { recursive: true, force: true });
    rmSync(image, { force: true });
  }
}

function evidenceOf(jobs: readonly SentJob[], { dir, bucket, thing }: Device, cloud: LocalCloud): JobsEvidence {
  const statusOf = (jobId: string): string => cloud.jobs.control.describeJobExecution(jobId, thing).status;
  return { jobs, statusOf, folder: join(dir, 'jobs'), cloud, bucket };
}

async function runToTheEnd(
  device: Device,
  cloud: LocalCloud,
  { jobs, statusOf }: JobsEvidence,
  problems: string[],
): Promise<void> {
  device.start();
  try {
    await device.waitFor(
      'everything sent and gone',
      ({ uploads, outboxes: [outbox], inbox, jobs: told }) =>
        told?.unreported === 0 &&
        told.current === undefined &&
        !jobs.some(({ jobId }) => ['QUEUED', 'IN_PROGRESS'].includes(statusOf(jobId))) &&
        inbox?.lastLookAtMs !== undefined &&
        inbox.open === 0 &&
        !cloud.objects(device.bucket).some(({ key }) => key.startsWith(INBOX)) &&
        outbox?.lastScanAtMs !== undefined &&
        uploads.queued + uploads.uploading + outbox.restless + outbox.sent === 0 &&
        placesLeft(device).length === 0,
      WITHIN_MS,
    );
  } catch (error) {
    problems.push((error as Error).message.slice(0, 1_500));
  }
  const code = await device.stop();
  if (code !== 0) problems.push(`the daemon ended with ${code}`);
}

const complaintsOf = (output: string): string[] =>
  [
    'ledger set aside',
    'broken, ending',
    'refused by the account',
    'file cannot be delivered',
    'object cannot be taken',
    'DOWNLOAD_DAMAGED',
  ]
    .filter((said) => output.includes(said))
    .map((said) => `the daemon said: ${said}`);

interface Place {
  readonly place: LeftFile['place'];
  readonly root: string;
  readonly file: string;
}

function placesLeft({ outbox, stateDir }: Device): Place[] {
  const batches = foldersOf(join(stateDir, 'spool')).flatMap((spool) => foldersOf(spool));
  return [
    ...filesOf(outbox).map((file) => ({ place: 'outbox' as const, root: outbox, file })),
    ...batches.flatMap((root) => filesOf(root).map((file) => ({ place: 'spool' as const, root, file }))),
  ];
}

function findLeft(device: Device, versions: Versions): LeftFile[] {
  return placesLeft(device).map(({ place, root, file }) => {
    const bytes = readFileSync(file);
    const name = relative(root, file);
    return { name, place, sizeBytes: bytes.length, crc32: crc32(bytes), content: versions.recognise(name, bytes) };
  });
}

function foldersOf(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}

function filesOf(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return entry.name.startsWith('.') ? [] : [path];
  });
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
