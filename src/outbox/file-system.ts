import { statfsSync } from 'node:fs';

export interface FileSystemTraits {
  /** Whether ctime says when an entry was last touched. */
  readonly keepsCtime: boolean;
  /** Others write to it, and what they wrote is seen late. */
  readonly isNetwork: boolean;
}

/** statfs(2): f_type. */
const NO_CTIME: ReadonlySet<number> = new Set([
  0x4d44, // FAT
  0x2011bab0, // exFAT
]);
const NETWORK: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x517b, // SMB
  0x65735546, // FUSE: sshfs and the like
  0x01021997, // 9p: shared folders of virtual machines
  0x00c36400, // Ceph
  0x5346414f, // AFS
]);

export const LOCAL: FileSystemTraits = { keepsCtime: true, isNetwork: false };

/** A folder that is not there yet counts as local. */
export function fileSystemTraits(folder: string): FileSystemTraits {
  try {
    const type = statfsSync(folder).type >>> 0; // the kernel's field is signed on some machines
    return { keepsCtime: !NO_CTIME.has(type), isNetwork: NETWORK.has(type) };
  } catch {
    return LOCAL;
  }
}
