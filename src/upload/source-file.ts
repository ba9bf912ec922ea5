import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { TransferError } from '../domain/errors';
import { compareFingerprints, type Fingerprint, fingerprintOf } from '../domain/fingerprint';
import { printableName } from '../domain/printable-name';

/** Symlinks are not followed, and a FIFO put in a file's place must not hang the open. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The file being sent, held open: what is read is one inode, whatever happens to its name. */
export class SourceFile {
  private constructor(
    private readonly handle: FileHandle,
    readonly fingerprint: Fingerprint,
    readonly sizeBytes: number,
    private readonly name: string,
  ) {}

  /** @throws TransferError SOURCE_MISSING, SOURCE_UNREADABLE, SOURCE_CHANGED (no longer a regular file) */
  static async open(file: Buffer): Promise<SourceFile> {
    const name = printableName(file);
    let handle: FileHandle;
    try {
      handle = await open(file, OPEN_FLAGS);
    } catch (cause) {
      throw explainOpen(cause as NodeJS.ErrnoException, name);
    }
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) throw new TransferError('SOURCE_CHANGED', `${name} is no longer a regular file`);
      return new SourceFile(handle, fingerprintOf(stats), Number(stats.size), name);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Fills the buffer. @throws TransferError SOURCE_CHANGED when the file ends before it is full, SOURCE_UNREADABLE */
  async read(buffer: Buffer, offset: number): Promise<void> {
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.handle
        .read(buffer, filled, buffer.length - filled, offset + filled)
        .catch((cause: unknown) => {
          throw explainRead(cause as NodeJS.ErrnoException, this.name);
        });
      if (bytesRead === 0) throw new TransferError('SOURCE_CHANGED', `${this.name} became shorter while it was sent`);
      filled += bytesRead;
    }
  }

  /** What was read counts only if the file has not been written meanwhile. @throws TransferError SOURCE_CHANGED */
  async assertUnchanged(): Promise<void> {
    const now = fingerprintOf(await this.handle.stat({ bigint: true }));
    if (compareFingerprints(this.fingerprint, now) === 'changed') {
      throw new TransferError('SOURCE_CHANGED', `${this.name} was written while it was sent`);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
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
      ? `let the daemon's user read it: setfacl -m u:${process.getuid?.()}:r '${name}'`
      : 'check the disk it lies on; it is tried again';
  return new TransferError('SOURCE_UNREADABLE', `cannot read ${name} (${code}); ${step}`, { cause });
}
