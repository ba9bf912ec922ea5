import type { RemoteFile, RemoteVersion } from '../download/remote-object';

/** Objects of the bucket by the device's own credentials. */
export interface JobObjects {
  /** @returns undefined when there is none @throws TransferError ACCESS_DENIED (needs s3:GetObject; perhaps there is none) */
  find(
    key: string,
    signal: AbortSignal,
  ): Promise<(RemoteVersion & { readonly mtimeMs: number | undefined; readonly mode: number | undefined }) | undefined>;
  file(key: string): RemoteFile;
}
