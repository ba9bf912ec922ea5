import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from 'tar';
import { readIfThere, syncFolder, writeFileDurably } from '../../custody/write-file';
import { CloudError } from '../cloud-error';
import { DeviceKey } from './device-key';

export const KEY_FILE = 'private.key';
export const CERTIFICATE_FILE = 'certificate.pem';
/** A clock that is set between two runs must not hide a certificate. */
const CLOCK_MARGIN_MS = 86_400_000;

/** `device00/`: what goes onto a device. The key is on the disk before anybody is asked for a certificate of it. */
export class ThingFolder {
  constructor(readonly path: string) {}

  get exists(): boolean {
    return existsSync(this.path);
  }

  /** @throws CloudError when the file is there and no key */
  findKey(): { readonly key: DeviceKey; readonly sinceMs: number } | undefined {
    const file = this.#file(KEY_FILE);
    if (!existsSync(file)) return undefined;
    try {
      return { key: DeviceKey.parse(readFileSync(file, 'utf8')), sinceMs: statSync(file).mtimeMs - CLOCK_MARGIN_MS };
    } catch (error) {
      throw new CloudError(
        `${file} cannot be read as a private key (${(error as Error).message}); see its rights, or move ${this.path} away`,
      );
    }
  }

  findCertificate(): string | undefined {
    return this.#read(CERTIFICATE_FILE);
  }

  makeKey(): DeviceKey {
    try {
      mkdirSync(this.path, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(this.path, error);
    }
    const key = DeviceKey.generate();
    this.write(KEY_FILE, key.pem, 0o600);
    syncFolder(dirname(this.path));
    return key;
  }

  write(name: string, content: string, mode = 0o644): void {
    try {
      writeFileDurably(this.#file(name), content, mode);
    } catch (error) {
      throw cannotWrite(this.#file(name), error);
    }
  }

  /** What a person may have changed stays. */
  writeIfMissing(name: string, content: string): void {
    if (!existsSync(this.#file(name))) this.write(name, content);
  }

  list(): string[] {
    return readdirSync(this.path).sort();
  }

  /** All that belongs onto the device, for whoever carries it there: readable by the owner alone, as the key is. */
  async pack(name: string): Promise<void> {
    const files = this.list().filter((file) => !/\.(?:tar|tmp|new)$/.test(file)); // the last two of a run that was cut off
    const packing = this.#file(`${name}.tmp`);
    try {
      const fd = openSync(packing, 'w', 0o600);
      try {
        await create({ cwd: this.path, file: packing, portable: true }, files);
        fsyncSync(fd); // before its name: whoever has it removes the key
      } finally {
        closeSync(fd);
      }
      renameSync(packing, this.#file(name));
      syncFolder(this.path);
    } catch (error) {
      throw cannotWrite(this.#file(name), error);
    }
  }

  /** @param names of files, as far as they are there */
  copyFrom(other: ThingFolder, names: readonly string[]): void {
    for (const name of names) {
      const content = other.#read(name);
      if (content !== undefined) this.writeIfMissing(name, content);
    }
  }

  /** @returns what it is now */
  moveTo(path: string): ThingFolder {
    renameSync(this.path, path);
    syncFolder(dirname(path));
    return new ThingFolder(path);
  }

  #read(name: string): string | undefined {
    return readIfThere(this.#file(name));
  }

  #file(name: string): string {
    return join(this.path, name);
  }
}

export const cannotWrite = (path: string, error: unknown): CloudError =>
  new CloudError(
    `cannot write ${path} (${(error as NodeJS.ErrnoException).code}); see the folder above it, its rights and its room, and do it again`,
  );
