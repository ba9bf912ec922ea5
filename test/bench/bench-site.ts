import type { NullS3Setup } from './null-s3-protocol';
import type { Certificates } from './write-certificates';

/** What every competitor is told of where it runs. */
export interface BenchSite {
  /** Temporary folder, on the disk that is measured. */
  readonly dir: string;
  readonly s3Port: number;
  readonly credentialsPort: number;
  readonly certificates: Certificates;
  readonly keys: Pick<NullS3Setup, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>;
}

export const BUCKET = 'bench';
export const REGION = 'eu-central-1';
