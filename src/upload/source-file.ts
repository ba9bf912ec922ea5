import { TransferError } from '../domain/errors';
import { compareFingerprints, type Fingerprint, fingerprintOf } from '../domain/fingerprint';
import { printableName } from '../domain/printable-name';
import { shellQuoted } from '../domain/shell-quoted';
import { type FilePlace, type OpenFile, openFile } from './open-file';

/** The file being sent, held open: what is read is one inode, whatever happens to its name. */
export class SourceFile {
  private constructor(
    private readonly file: OpenFile,
    readonly fingerprint: Fingerprint,
    readonly sizeBytes: number,
    private readonly name: string,
  ) {}

  /** @throws TransferError SOURCE_MISSING, SOURCE_UNREADABLE, SOURCE_CHANGED (no longer a regular file) */
  static async open(file: FilePlace, expectedBytes: number): Promise<SourceFile> {
    const name = `${file.root}/${printableName(file.path)}`;
    let opened: OpenFile;
    try {
      opened = await openFile(file, expectedBytes);
    } catch (cause) {
      throw explainOpen(cause as NodeJS.ErrnoException, name);
    }
    try {
      const stats = await opened.stat();
      if (!stats.isFile()) throw new TransferError('SOURCE_CHANGED', `${name} is no longer a regular file`);
      return new SourceFile(opened, fingerprintOf(stats), Number(stats.size), name);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Fills the buffer. @throws TransferError SOURCE_CHANGED when the file ends before it is full, SOURCE_UNREADABLE */
  async read(buffer: Buffer, offset: number): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const bytes = await this.#readSome(buffer, filled, offset + filled);
      if (bytes === 0) throw new TransferError('SOURCE_CHANGED', `${this.name} became shorter while it was sent`);
      filled += bytes;
    }
  }

  /** What was read counts only if the file has not been written meanwhile. @throws TransferError SOURCE_CHANGED */
  async assertUnchanged(): Promise<void> {
    const now = fingerprintOf(await this.file.stat());
    if (compareFingerprints(this.fingerprint, now) === 'changed') {
      throw new TransferError('SOURCE_CHANGED', `${this.name} was written while it was sent`);
    }
  }

  async #readSome(buffer: Buffer, filled: number, position: number): Promise<number> {
    try {
      return await this.file.read(buffer, filled, position);
    } catch (cause) {
      throw explainRead(cause as NodeJS.ErrnoException, this.name);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

function explainOpen(cause: NodeJS.ErrnoException, name: string): TransferError {
  const { code } = cause;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new TransferError(
      'SOURCE_MISSING',
      `${name} vanished before it was sent; if it is still needed, put it back`,
      { cause },
    );
  }
  if (code === 'ELOOP') return new TransferError('SOURCE_CHANGED', `${name} became a symbolic link`, { cause });
  return explainRead(cause, name);
}

function explainRead(cause: NodeJS.ErrnoException, name: string): TransferError {
  const { code } = cause;
  const step =
    code === 'EACCES' || code === 'EPERM'
      ? `let the daemon's user read it: setfacl -m u:${process.geteuid?.()}:r ${shellQuoted(name)}`
      : 'check the disk it lies on; it is tried again';
  return new TransferError('SOURCE_UNREADABLE', `cannot read ${name} (${code}); ${step}`, { cause });
}
