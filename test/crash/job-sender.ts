import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { CreateJobRequest } from '../local-cloud/jobs/jobs-control';
import type { LocalCloud } from '../local-cloud/local-cloud';
import { urlPlaceholder } from '../support/url-placeholder';
import { packArchive } from './pack-archive';
import type { SeededRandom } from './seeded-random';

/** `many` and the archives: sets that must come whole. `wrong`: it cannot be followed. */
export const JOB_KINDS = ['file', 'large', 'set', 'many', 'key', 'tar.gz', 'zip', 'upload', 'wrong'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** A job, what it is to bring or take, and how it may end. */
export interface SentJob {
  readonly jobId: string;
  readonly kind: JobKind;
  /** SHA-256 of what it brings, by path below the jobs' folder. */
  readonly files: ReadonlyMap<string, string>;
  /** SHA-256 of what it takes, by key. */
  readonly objects: ReadonlyMap<string, string>;
  /** Bytes of what it fetches, by key. */
  readonly fetched: ReadonlyMap<string, number>;
  /** More, once it is cancelled. */
  readonly mayEnd: Set<string>;
}

export interface SendOptions {
  /** Folder that it lands in, below the jobs'; others may land there, too. Default: one of its own. */
  readonly into?: string | undefined;
  readonly urlSeconds?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** Name of those that an upload takes. Default: some of its own. */
  readonly logs?: string | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const LOGS = [
  ['small.log', 9 * KIB],
  ['deep/other.log', 20 * KIB],
  ['large.log', 700 * KIB],
  ['parts.log', 6 * MIB],
] as const;
const THING = 'device00';
/** Beyond what is synced one by one. */
const MANY = 34;

/** Sends jobs of all kinds to a device, with all that they need. */
export class JobSender {
  #sent = 0;
  /** SHA-256 by path below their folder, by the name of that. */
  readonly #logs = new Map<string, ReadonlyMap<string, string>>();

  constructor(
    private readonly bucket: string,
    /** Absolute; on the device. */
    private readonly logs: string,
    private readonly random: SeededRandom,
  ) {}

  /** What is copied, and what is sent from where it lies, in one request and in parts. */
  layLogs(name: string): ReadonlyMap<string, string> {
    const known = this.#logs.get(name);
    if (known !== undefined) return known;
    const laid = new Map<string, string>();
    for (const [path, most] of LOGS) {
      const file = join(this.logs, name, path);
      const bytes = this.random.bytes(this.random.between(most >> 1, most));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
      laid.set(path, sha256(bytes));
    }
    this.#logs.set(name, laid);
    return laid;
  }

  async send(
    { cloud, s3 }: { readonly cloud: LocalCloud; readonly s3: S3Client },
    kind: JobKind,
    { into, urlSeconds = 3600, timeoutSeconds, logs }: SendOptions = {},
  ): Promise<SentJob> {
    const jobId = `${kind.replace('.', '-')}-${++this.#sent}`;
    const parts = { files: new Map<string, string>(), objects: new Map<string, string>(), fetched: new Map() };
    const document = await this.#document(s3, kind, jobId, into ?? jobId, logs ?? jobId, parts);
    const mayEnd = new Set([kind === 'wrong' ? 'REJECTED' : 'SUCCEEDED']);
    if (timeoutSeconds !== undefined) mayEnd.add('TIMED_OUT');
    const job: SentJob = { jobId, kind, ...parts, mayEnd };
    const isSigned = JSON.stringify(document).includes('s3-presigned-url');
    cloud.jobs.control.createJob({
      jobId,
      targets: [THING],
      document,
      ...(isSigned ? { presignedUrlConfig: { expiresInSec: urlSeconds } } : {}),
      ...(timeoutSeconds === undefined ? {} : { timeoutConfig: { inProgressTimeoutInMinutes: timeoutSeconds / 60 } }),
    });
    return job;
  }

  async #document(
    s3: S3Client,
    kind: JobKind,
    jobId: string,
    into: string,
    logs: string,
    {
      files,
      objects,
      fetched,
    }: { files: Map<string, string>; objects: Map<string, string>; fetched: Map<string, number> },
  ): Promise<CreateJobRequest['document']> {
    const { random } = this;
    const put = async (name: string, bytes: Buffer): Promise<string> => {
      const key = `${THING}/depot/${jobId}/${name}`;
      await s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: bytes }));
      fetched.set(key, bytes.length);
      return key;
    };
    const bring = async (name: string, bytes: Buffer): Promise<{ key: string; path: string; sha256?: string }> => {
      const sum = sha256(bytes);
      const path = `${into}/${name}`;
      files.set(path, sum);
      return { key: await put(name.replaceAll('/', '-'), bytes), path, ...(random.chance(0.5) ? { sha256: sum } : {}) };
    };
    const byUrl = ({ key, ...rest }: { key: string; path: string; sha256?: string }): object => ({
      url: urlPlaceholder({ bucket: this.bucket, key }),
      ...rest,
    });
    const some = (): Buffer => random.bytes(random.between(1, 48 * KIB));
    switch (kind) {
      case 'file':
        return byUrl(await bring('app.bin', some()));
      case 'large':
        return byUrl(await bring('large.bin', random.bytes(random.between(3 * MIB, 6 * MIB))));
      case 'key':
        return bring('by-key.bin', some());
      case 'set': {
        const names = ['one.bin', 'two.bin', 'deep/three.bin', 'four.bin'].slice(0, random.between(2, 4));
        const set: object[] = [];
        for (const name of names) {
          const file = await bring(name, some());
          set.push(name === 'two.bin' ? file : byUrl(file));
        }
        return { files: set };
      }
      case 'tar.gz':
      case 'zip':
      case 'many': {
        const count = kind === 'many' ? MANY : random.between(2, 4);
        const content = new Map(Array.from({ length: count }, (_, i) => [`d${i % 3}/f-${i}.txt`, some()]));
        for (const [name, bytes] of content) files.set(`${into}/${name}`, sha256(bytes));
        const unpack = kind === 'many' ? 'zip' : kind;
        const key = await put(`archive.${unpack}`, packArchive(unpack, content));
        return { url: urlPlaceholder({ bucket: this.bucket, key }), unpack, path: into };
      }
      case 'upload':
        for (const [path, sum] of this.layLogs(logs))
          objects.set(`${THING}/jobs/${jobId}${join(this.logs, logs, path)}`, sum);
        return { paths: [`${this.logs}/${logs}/**`] };
      case 'wrong':
        return random.pick([{ operation: 'nothing' }, { key: 'x', path: '../x' }, { url: 'https://example.org/x' }]);
    }
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
