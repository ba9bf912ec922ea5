import type { Put } from './cloud-copy';
import type { Row } from './ledger-rows';
import type { Content, Version, Versions } from './versions';

/** A file on the disk as the power cut left it, in the outbox or in the spool. */
export interface LeftFile {
  readonly name: string;
  readonly place: 'outbox' | 'spool';
  readonly sizeBytes: number;
  readonly crc32: number;
  /** Whose it is, as far as it is intact. */
  readonly content: Content | undefined;
}

export interface Evidence {
  /** Wall clock, when the writers had stopped. */
  readonly atMs: number;
  readonly versions: Versions;
  readonly left: readonly LeftFile[];
  /** Of the ledger, as the power cut left it, and at the end. */
  readonly rowsBefore: readonly Row[];
  readonly rowsAfter: readonly Row[];
  /** All that S3 took until the moment, and from then on. */
  readonly putsBefore: readonly Put[];
  readonly putsAfter: readonly Put[];
  /** By key. */
  readonly objects: ReadonlyMap<string, { readonly sizeBytes: number; readonly sha256: string }>;
  readonly prefix: string;
}

export interface Verdict {
  /** A line each. */
  readonly problems: readonly string[];
  /** Versions that had to arrive. */
  readonly due: number;
  /** Of these, not yet in S3 at the moment. */
  readonly open: number;
  /** Arrived short, or torn: their producer had not synced them, nor the daemon. */
  readonly short: number;
  /** Arrived with no byte at all, and the daemon said so. */
  readonly empty: number;
}

/** The kernel's own patience with what nobody syncs. */
const OLD_MS = 30_000;

/** Pure. */
export function judge(evidence: Evidence): Verdict {
  return new Judge(evidence).verdict();
}

class Judge {
  readonly #problems: string[] = [];
  /** Names of empty files to whose rows the daemon has put a note for a person. */
  readonly #noted: ReadonlySet<string>;
  /** By version: the most bytes of it that arrived. */
  readonly #arrived = new Map<Version, number>();
  #short = 0;
  #empty = 0;

  constructor(private readonly evidence: Evidence) {
    const noted = evidence.rowsAfter.filter(({ note, sizeBytes }) => note !== undefined && sizeBytes === 0);
    this.#noted = new Set(noted.map(({ name }) => name));
  }

  verdict(): Verdict {
    const { putsBefore, putsAfter, versions } = this.evidence;
    this.#readPuts(putsBefore, []);
    const open = versions.all.filter((version) => this.#dueBytes(version) > (this.#arrived.get(version) ?? 0)).length;
    this.#readPuts(putsAfter, putsBefore);
    for (const name of versions.names) this.#judgeName(name);
    this.#judgeRows();
    this.#judgeLeft();
    const due = versions.all.filter((version) => this.#dueBytes(version) > 0).length;
    return { problems: this.#problems, due, open, short: this.#short, empty: this.#empty };
  }

  /** In order: no older version after a newer one, under one key. */
  #readPuts(puts: readonly Put[], earlier: readonly Put[]): void {
    const latest = new Map<string, Content>();
    for (const put of earlier) {
      const content = this.#contentOf(put);
      if (content !== undefined) latest.set(put.key, content);
    }
    for (const put of puts) {
      const { key } = put;
      const content = this.#contentOf(put);
      if (content === undefined) {
        this.#judgeUnknown(put);
        continue;
      }
      const { version } = content;
      const before = latest.get(key);
      const isOlder = before !== undefined && before.version.id > version.id;
      if (isOlder) this.#problems.push(`older over newer: ${key}, version ${version.id} over ${before.version.id}`);
      if (before?.version === version && before.bytes > content.bytes)
        this.#problems.push(
          `shorter over longer: ${key}, ${content.bytes} bytes over ${before.bytes} of version ${version.id}`,
        );
      if (!version.states.some(({ bytes }) => bytes === content.bytes)) this.#short += 1;
      latest.set(key, content);
      this.#arrived.set(version, Math.max(this.#arrived.get(version) ?? 0, content.bytes));
    }
  }

  #judgeUnknown({ key, name, sizeBytes, crc32 }: Put): void {
    if (sizeBytes > 0) this.#problems.push(`altered: ${key}, ${sizeBytes} bytes that nobody wrote (CRC32 ${crc32})`);
    else if (this.#noted.has(name)) this.#empty += 1;
    else this.#problems.push(`empty, and nobody said so: ${key}`);
  }

  #judgeName(name: string): void {
    const due = this.evidence.versions.of(name).findLast((version) => this.#dueBytes(version) > 0);
    if (due === undefined) return;
    const bytes = this.#dueBytes(due);
    const newer = this.evidence.versions.of(name).filter(({ id }) => id > due.id);
    // What a producer replaced before it was claimed, nobody has any more: then the newer one has to be there.
    const isOvertaken = newer.some((version) => this.#isWhole(version));
    if ((this.#arrived.get(due) ?? 0) < bytes && !isOvertaken)
      this.#problems.push(`lost: ${this.#describe(due)}, ${this.#arrived.get(due) ?? 0} of ${bytes} bytes arrived`);
    this.#judgeObject(name, due, newer);
  }

  /** What S3 holds at the end, compared byte by byte: its SHA-256 is that of a state its producer left. */
  #judgeObject(name: string, due: Version, newer: readonly Version[]): void {
    const object = this.evidence.objects.get(this.evidence.prefix + name);
    if (object === undefined) {
      this.#problems.push(`not in S3: ${this.#describe(due)}`);
      return;
    }
    const isDue = due.states.some(({ sha256, bytes }) => sha256 === object.sha256 && bytes >= this.#dueBytes(due));
    const isNewer = newer.some(({ states }) => states.some(({ sha256 }) => sha256 === object.sha256));
    if (isDue || isNewer) return;
    // A newer one nobody had synced, cut by the power: the due one has been there before it.
    const isCut = newer.length > 0 || due.states.at(-1)!.bytes > this.#dueBytes(due);
    if (!isCut) this.#problems.push(`altered in S3: ${this.#describe(due)}, ${object.sizeBytes} bytes there`);
  }

  /** A row is made when data and name are on disk, so what it speaks of must arrive. */
  #judgeRows(): void {
    for (const row of this.evidence.rowsBefore) {
      if (row.state === 'failed') this.#problems.push(`failed before: ${row.name}`);
      if (row.state === 'superseded') continue;
      const version = this.#versionOf(row);
      if (version !== undefined && (this.#arrived.get(version) ?? 0) < row.sizeBytes)
        this.#problems.push(
          `claimed and lost: ${this.#describe(version)}, row ${row.id} (${row.state}) has ${row.sizeBytes} bytes, ${this.#arrived.get(version) ?? 0} arrived`,
        );
    }
    for (const row of this.evidence.rowsAfter)
      if (!['done', 'superseded'].includes(row.state)) this.#problems.push(`${row.state} at the end: ${row.name}`);
  }

  /** What lay on the disk, in whatever state, has to come as far as it was there. */
  #judgeLeft(): void {
    for (const { place, content } of this.evidence.left) {
      if (content !== undefined && (this.#arrived.get(content.version) ?? 0) < content.bytes)
        this.#problems.push(
          `left behind: ${this.#describe(content.version)}, ${content.bytes} bytes lay in the ${place}`,
        );
    }
  }

  /** How much of it must arrive. 0: nobody has promised anything yet. */
  #dueBytes(version: Version): number {
    const { isPlaced, placedAtMs, durableBytes, states } = version;
    const oldMs = this.evidence.atMs - OLD_MS;
    const isOld = isPlaced === 'yes' && placedAtMs < oldMs;
    const oldBytes = isOld ? (states.findLast(({ atMs }) => atMs < oldMs)?.bytes ?? 0) : 0;
    return Math.max(durableBytes, oldBytes);
  }

  #isWhole(version: Version): boolean {
    const { bytes } = version.states.at(-1) ?? {};
    return bytes !== undefined && this.#arrived.get(version) === bytes;
  }

  #versionOf({ name, content }: Row): Version | undefined {
    return this.evidence.versions
      .of(name)
      .find(({ states }) => states.some(({ bytes, mtimeNs }) => `${bytes}:${mtimeNs}` === content));
  }

  /** Of what the power cut tore only those know that lay on the disk. */
  #contentOf({ name, sizeBytes, crc32 }: Put): Content | undefined {
    if (crc32 === undefined) return undefined;
    const isThis = (left: LeftFile) => left.name === name && left.sizeBytes === sizeBytes && left.crc32 === crc32;
    return this.evidence.versions.identify(name, sizeBytes, crc32) ?? this.evidence.left.find(isThis)?.content;
  }

  /** With where it was when the power went. */
  #describe(version: Version): string {
    const { left, rowsBefore } = this.evidence;
    const places = left
      .filter(({ name }) => name === version.name)
      .map(({ place, sizeBytes }) => `${sizeBytes} bytes in the ${place}`);
    const rows = rowsBefore.filter(({ name }) => name === version.name).map(({ id, state }) => `row ${id} ${state}`);
    const { id, name, durableBytes, isPlaced } = version;
    return `${name} version ${id} (synced ${durableBytes} of ${version.bytes}, placed ${isPlaced}; on disk ${places.join(', ') || 'nothing'}; ${rows.join(', ') || 'no row'})`;
  }
}
