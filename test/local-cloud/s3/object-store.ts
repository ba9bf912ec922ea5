import { closeSync, createReadStream, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BlobStore } from './blob-store';
import type { CompletedUpload, ObjectRecord, OpenUpload, PartRecord, UploadRecord } from './records';
import { SortedKeys } from './sorted-keys';

type JournalEntry =
  | { kind: 'object'; object: ObjectRecord }
  | { kind: 'delete'; bucket: string; key: string }
  | { kind: 'upload'; upload: UploadRecord }
  | { kind: 'part'; uploadId: string; part: PartRecord }
  | { kind: 'abort'; uploadId: string }
  | { kind: 'complete'; object: ObjectRecord; completed: CompletedUpload };

export interface BucketContents {
  keys: SortedKeys;
  objects: Map<string, ObjectRecord>;
}

/**
 * Objects and multipart uploads: in memory, and in a journal of one JSON line per change beside the bodies. A body is
 * written before the line that names it, so a kill leaves at worst an orphan body or a torn last line.
 */
export class ObjectStore {
  readonly blobs: BlobStore;
  private readonly buckets = new Map<string, BucketContents>();
  private readonly uploads = new Map<string, OpenUpload>();
  private readonly completed = new Map<string, CompletedUpload>();
  private readonly journalFile: string;
  private journal = -1;

  /** @param onStored told of each object as it takes its key */
  constructor(
    dir: string,
    private readonly onStored?: (object: ObjectRecord) => void,
  ) {
    mkdirSync(dir, { recursive: true });
    this.journalFile = join(dir, 'journal.jsonl');
    this.blobs = new BlobStore(join(dir, 'blobs'));
  }

  async open(): Promise<void> {
    if (existsSync(this.journalFile)) {
      for await (const line of createInterface({ input: createReadStream(this.journalFile) })) {
        const entry = parseLine(line);
        if (entry !== undefined) this.apply(entry);
      }
    }
    this.rewriteJournal();
    await this.blobs.sweep();
  }

  close(): void {
    if (this.journal !== -1) closeSync(this.journal);
    this.journal = -1;
  }

  contentsOf(bucket: string): BucketContents {
    const known = this.buckets.get(bucket);
    if (known !== undefined) return known;
    const fresh = { keys: new SortedKeys(), objects: new Map<string, ObjectRecord>() };
    this.buckets.set(bucket, fresh);
    return fresh;
  }

  findObject(bucket: string, key: string): ObjectRecord | undefined {
    return this.buckets.get(bucket)?.objects.get(key);
  }

  putObject(object: ObjectRecord): void {
    this.commit({ kind: 'object', object });
  }

  deleteObject(bucket: string, key: string): void {
    if (this.findObject(bucket, key) !== undefined) this.commit({ kind: 'delete', bucket, key });
  }

  findUpload(bucket: string, key: string, uploadId: string): OpenUpload | undefined {
    const open = this.uploads.get(uploadId);
    return open?.upload.bucket === bucket && open.upload.key === key ? open : undefined;
  }

  listUploads(bucket: string): OpenUpload[] {
    return [...this.uploads.values()].filter(({ upload }) => upload.bucket === bucket);
  }

  findCompleted(bucket: string, key: string, uploadId: string): CompletedUpload | undefined {
    const completed = this.completed.get(uploadId);
    return completed?.bucket === bucket && completed.key === key ? completed : undefined;
  }

  createUpload(upload: UploadRecord): void {
    this.commit({ kind: 'upload', upload });
  }

  putPart(uploadId: string, part: PartRecord): void {
    this.commit({ kind: 'part', uploadId, part });
  }

  abortUpload(uploadId: string): void {
    this.commit({ kind: 'abort', uploadId });
  }

  completeUpload(object: ObjectRecord, completed: CompletedUpload): void {
    this.commit({ kind: 'complete', object, completed });
  }

  private commit(entry: JournalEntry): void {
    // Stopped while a request was under way: its change must not appear after the restart has read the journal.
    if (this.journal === -1) throw new Error('the object store is closed');
    writeSync(this.journal, `${JSON.stringify(entry)}\n`);
    this.apply(entry);
    if (entry.kind === 'object' || entry.kind === 'complete') this.onStored?.(entry.object);
  }

  private apply(entry: JournalEntry): void {
    switch (entry.kind) {
      case 'object':
        this.setObject(entry.object);
        return;
      case 'delete':
        this.dropObject(entry.bucket, entry.key);
        return;
      case 'upload':
        this.uploads.set(entry.upload.uploadId, { upload: entry.upload, parts: new Map() });
        return;
      case 'part':
        this.setPart(entry.uploadId, entry.part);
        return;
      case 'abort':
        this.dropUpload(entry.uploadId);
        return;
      case 'complete':
        this.setObject(entry.object);
        this.dropUpload(entry.completed.uploadId);
        this.completed.set(entry.completed.uploadId, entry.completed);
        return;
    }
  }

  private setObject(object: ObjectRecord): void {
    const { keys, objects } = this.contentsOf(object.bucket);
    const before = objects.get(object.key);
    this.blobs.retain(object.slices);
    objects.set(object.key, object);
    if (before === undefined) keys.add(object.key);
    else this.blobs.release(before.slices);
  }

  private dropObject(bucket: string, key: string): void {
    const { keys, objects } = this.contentsOf(bucket);
    const before = objects.get(key);
    if (before === undefined) return;
    objects.delete(key);
    keys.remove(key);
    this.blobs.release(before.slices);
  }

  private setPart(uploadId: string, part: PartRecord): void {
    const parts = this.uploads.get(uploadId)?.parts;
    if (parts === undefined) return;
    const before = parts.get(part.partNumber);
    this.blobs.retain(part.slices);
    parts.set(part.partNumber, part);
    if (before !== undefined) this.blobs.release(before.slices);
  }

  private dropUpload(uploadId: string): void {
    const open = this.uploads.get(uploadId);
    if (open === undefined) return;
    this.uploads.delete(uploadId);
    for (const part of open.parts.values()) this.blobs.release(part.slices);
  }

  /** Leaves only what is true now, and the open journal behind it. */
  private rewriteJournal(): void {
    const temporary = `${this.journalFile}.tmp`;
    const fd = openSync(temporary, 'w');
    let text = '';
    for (const entry of this.presentState()) {
      text += `${JSON.stringify(entry)}\n`;
      if (text.length > 1_000_000) {
        writeSync(fd, text);
        text = '';
      }
    }
    writeSync(fd, text);
    renameSync(temporary, this.journalFile);
    this.journal = fd;
  }

  private *presentState(): Generator<JournalEntry> {
    for (const { objects } of this.buckets.values()) {
      for (const object of objects.values()) yield { kind: 'object', object };
    }
    for (const { upload, parts } of this.uploads.values()) {
      yield { kind: 'upload', upload };
      for (const part of parts.values()) yield { kind: 'part', uploadId: upload.uploadId, part };
    }
    for (const completed of this.completed.values()) {
      const object = this.findObject(completed.bucket, completed.key);
      // A completed upload is remembered only while its object is still the one it made.
      if (object?.etag === completed.etag) yield { kind: 'complete', object, completed };
    }
  }
}

function parseLine(line: string): JournalEntry | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return undefined;
  }
}
