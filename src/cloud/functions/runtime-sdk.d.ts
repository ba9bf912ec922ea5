// The runtime of AWS Lambda for Node.js brings these; so much of them is used.

declare module '@aws-sdk/client-sts' {
  import type { AssumeRoleInput, AssumeRoleOutput } from '../handlers/token-vendor';

  export class AssumeRoleCommand {
    constructor(input: AssumeRoleInput);
  }
  export class STSClient {
    constructor(configuration: object);
    send(command: AssumeRoleCommand): Promise<AssumeRoleOutput>;
  }
}

declare module '@aws-sdk/client-iot-data-plane' {
  import type { IotMessage } from '../handlers/inbox-notifier';

  export class PublishCommand {
    constructor(input: IotMessage);
  }
  export class IoTDataPlaneClient {
    constructor(configuration: object);
    send(command: PublishCommand): Promise<unknown>;
  }
}
