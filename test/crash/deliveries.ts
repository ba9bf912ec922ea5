import { renamedKey } from '../../src/domain/key-template';
import { METADATA } from '../../src/domain/object-metadata';
import type { ObjectRecord } from '../local-cloud/s3/records';
import type { MixedLoad, Version } from './mixed-load';

interface Last {
  readonly version: Version;
  /** Ids of the ledger and of the upload in it. */
  readonly ledger: string;
  readonly upload: string;
}

/**
 * Every object that S3 ever stored, whether anybody heard of it or not, held against what was dropped: whole, and the
 * versions of a name in their order, not even for a moment the other way round.
 */
export class Deliveries {
  readonly problems: string[] = [];
  /** Versions that went beside the newer one, under a key with their time. */
  late = 0;
  readonly #delivered = new Set<Version>();
  readonly #last = new Map<string, Last>();
  readonly #lateKeys = new Set<string>();

  /** @param isSpooled whether a version still waits in the spool, to be sent again */
  constructor(
    private readonly load: MixedLoad,
    private readonly prefix: string,
    private readonly isSpooled: (version: Version) => boolean,
  ) {}

  has(version: Version): boolean {
    return this.#delivered.has(version);
  }

  onStored({ key, headers, checksum, sizeBytes }: ObjectRecord): void {
    const version = this.load.findVersion(Number(headers[`x-amz-meta-${METADATA.mtime}`]));
    if (version === undefined) {
      this.problems.push(`nobody's: ${key}`);
      return;
    }
    const { name, number } = version;
    if (checksum?.type !== 'FULL_OBJECT' || checksum.value !== version.crc32 || sizeBytes !== version.bytes)
      this.problems.push(`altered: version ${number} under ${key}`);
    this.#delivered.add(version);
    if (key === this.prefix + name) this.#follow(key, { version, ...uploadOf(headers) });
    else this.#goBeside(key, version);
  }

  /** Of what must have arrived. @returns a line for each that has not */
  findLost(): string[] {
    return this.load.versions
      .filter((version) => !version.isReplaced && !this.#delivered.has(version))
      .map(({ name, number }) => `lost: version ${number} of ${name}`);
  }

  isOurs(key: string): boolean {
    return this.load.files.has(key.slice(this.prefix.length)) || this.#lateKeys.has(key);
  }

  #follow(key: string, now: Last): void {
    const last = this.#last.get(key);
    this.#last.set(key, now);
    if (last === undefined || last.version.number <= now.version.number) return;
    // A new ledger does not know what was sent; but then the newer one must follow once more.
    if (last.ledger !== now.ledger && this.isSpooled(last.version)) return;
    const describe = ({ version, ledger, upload }: Last): string => `version ${version.number} (${ledger}-${upload})`;
    this.problems.push(`older over newer: ${key}, ${describe(now)} after ${describe(last)}`);
  }

  #goBeside(key: string, version: Version): void {
    const expected = renamedKey(this.prefix + version.name, version.mtimeSeconds * 1_000, 1);
    if (key !== expected) this.problems.push(`misplaced: version ${version.number} of ${version.name} under ${key}`);
    else if (this.load.files.get(version.name)!.at(-1) === version)
      this.problems.push(`misplaced: ${key}, of which there is no newer version`);
    this.late += 1;
    this.#lateKeys.add(key);
  }
}

function uploadOf(headers: Record<string, string>): { ledger: string; upload: string } {
  const id = headers[`x-amz-meta-${METADATA.uploadId}`] ?? '';
  const at = id.lastIndexOf('-');
  return { ledger: id.slice(0, at), upload: id.slice(at + 1) };
}
