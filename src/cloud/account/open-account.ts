import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { IoTClient } from '@aws-sdk/client-iot';
import { S3Client } from '@aws-sdk/client-s3';

/** Who asks, and where; what is not said here, the environment and the profile say, as for every tool of AWS. */
export interface AccountOptions {
  readonly region?: string;
  readonly profile?: string;
  /** One endpoint for all services. */
  readonly endpointUrl?: string;
}

/** The SDK waits a quarter of an hour for who says nothing, and asks eight times. */
const CONNECTION_TIMEOUT_MS = 10_000;
const SILENCE_TIMEOUT_MS = 30_000;

/** Of what it says, the errors are told by us. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
function nothing(): void {}

/** The account, by the operator's own rights. */
export interface Account {
  readonly cloudFormation: CloudFormationClient;
  readonly iot: IoTClient;
  readonly s3: S3Client;
}

export function openAccount({ region, profile, endpointUrl }: AccountOptions): Account {
  const config = {
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl }),
    logger: SILENT,
    // Things are added by the hundred, and AWS IoT takes ten such requests a second.
    maxAttempts: 8,
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
  };
  return {
    cloudFormation: new CloudFormationClient(config),
    iot: new IoTClient(config),
    s3: new S3Client({ ...config, forcePathStyle: endpointUrl !== undefined }),
  };
}
