/** Temporary credentials of a role. Never written anywhere. */
export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** Where the S3 adapter gets what it signs with. */
export interface CredentialsSource {
  /** @throws TransferError CREDENTIALS_UNREACHABLE, CREDENTIALS_REFUSED */
  get(): Promise<SessionCredentials>;
  /** S3 says these are expired or invalid: the next `get` asks anew. */
  invalidate(used: SessionCredentials): void;
  /** By our own reckoning. */
  isExpired(used: SessionCredentials): boolean;
}
