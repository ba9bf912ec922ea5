import type { Edge } from '../../src/component';
import type { TokenRule } from '../local-cloud/iot/token-rule';
import type { LocalCloud } from '../local-cloud/local-cloud';
import type { PolicyDocument } from '../local-cloud/policy';
import { seedBIotPolicy } from '../local-cloud/seed-iot-policies';
import { Courier } from './courier';

export interface TokenSiteOptions {
  readonly source?: string | readonly string[];
  readonly mqttToken?: object;
  readonly iotPolicy?: (cloud: LocalCloud) => PolicyDocument;
  readonly tokenSeconds?: number;
  readonly config?: Record<string, object>;
  readonly edge?: Partial<Edge>;
}

/** A courier in this process whose credentials come by message: the how-to's topics and policies as they stand. */
export class TokenSite {
  private constructor(
    readonly courier: Courier,
    /** Of the account: who vends tokens. */
    readonly vendor: TokenRule,
  ) {}

  static async create(options: TokenSiteOptions = {}): Promise<TokenSite> {
    const { source = 'mqtt-token', mqttToken = {}, iotPolicy = seedB, tokenSeconds, config = {}, edge } = options;
    const courier = await Courier.create({
      config: { ...config, credentials: { source, mqttToken, ...config.credentials } },
      ...(edge === undefined ? {} : { edge }),
    });
    const { cloud } = courier;
    await cloud.createThing(Courier.thing, { certificatePolicy: iotPolicy(cloud) });
    courier.sections.mqtt = { endpoint: cloud.mqttEndpoint, caFile: cloud.caFile };
    const vendor = cloud.createTokenVendor(
      Courier.bucket,
      tokenSeconds === undefined ? {} : { durationSeconds: tokenSeconds },
    );
    return new TokenSite(courier, vendor);
  }

  /** Something else in the account gives the thing a token. */
  async issue(durationSeconds = 3_600): Promise<Record<'AccessKeyId' | 'SecretAccessKey' | 'SessionToken', string>> {
    const { cloud } = this.courier;
    const { accessKeyId, secretAccessKey, sessionToken } = cloud.issueCredentials({
      policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: '*' }] },
      durationSeconds,
    });
    return { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken };
  }

  get requests(): readonly string[] {
    return this.courier.cloud.mqtt
      .publishedTo('+/token/req')
      .filter(({ clientId }) => clientId !== undefined)
      .map(({ payload }) => payload.toString());
  }
}

const seedB = (cloud: LocalCloud): PolicyDocument => seedBIotPolicy(cloud, Courier.thing);
