import { IoTDataPlaneClient, PublishCommand } from '@aws-sdk/client-iot-data-plane';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { type TokenRequest, vendToken } from '../handlers/token-vendor';

const sts = new STSClient({});
const iot = new IoTDataPlaneClient({});
/** AWS gives no more where one role assumes another. */
const DURATION_SECONDS = 3_600;

/** The edge of AWS Lambda. The template gives its environment. */
export function handler(request: TokenRequest): Promise<void> {
  const { ROLE_ARN = '', BUCKET = '', KMS_KEY_ARN: kmsKeyArn } = process.env;
  const settings = { roleArn: ROLE_ARN, bucket: BUCKET, durationSeconds: DURATION_SECONDS };
  return vendToken(
    request,
    kmsKeyArn === undefined ? settings : { ...settings, kmsKeyArn },
    (input) => sts.send(new AssumeRoleCommand(input)),
    (message) => iot.send(new PublishCommand(message)),
  );
}
