import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  DescribeCertificateCommand,
  type IoTClient,
  ListAttachedPoliciesCommand,
  ListCertificatesCommand,
  ListPrincipalThingsCommand,
  paginateListThingPrincipals,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot';
import { CloudError } from '../cloud-error';
import type { DeviceKey } from './device-key';
import { hasThing } from './registry';

export type CertificateStatus = 'ACTIVE' | 'INACTIVE' | 'REVOKED' | string;

export interface ThingCertificate {
  readonly id: string;
  readonly arn: string;
  readonly status: CertificateStatus;
  readonly pem: string;
  readonly createdAt: Date | undefined;
  readonly validUntil: Date | undefined;
}

/** The certificates of one thing. */
export class ThingCertificates {
  constructor(
    private readonly iot: IoTClient,
    private readonly thing: string,
  ) {}

  /** What is attached to the thing. @throws CloudError when there is no such thing */
  async list(): Promise<ThingCertificate[]> {
    const found: ThingCertificate[] = [];
    if (!(await hasThing(this.iot, this.thing)))
      throw new CloudError(
        `there is no thing ${this.thing} in ${await this.iot.config.region()}; courier cloud thing ls shows those of the stack, thing add makes one`,
      );
    for await (const { principals = [] } of paginateListThingPrincipals(
      { client: this.iot },
      { thingName: this.thing },
    ))
      for (const arn of principals) if (/:cert\/[^/]+$/.test(arn)) found.push(await this.#describe(idOf(arn)));
    return found;
  }

  /**
   * One that was asked for by this key and is not attached yet: the answer to the request may never have come.
   * @param sinceMs none that was made earlier @throws CloudError when it is another thing's
   */
  async findLoose(key: DeviceKey, sinceMs: number): Promise<ThingCertificate | undefined> {
    let marker: string | undefined;
    do {
      const { certificates = [], nextMarker } = await this.iot.send(
        new ListCertificatesCommand({
          ascendingOrder: false,
          pageSize: 100,
          ...(marker === undefined ? {} : { marker }),
        }),
      );
      const young = certificates.filter(({ creationDate }) => (creationDate?.getTime() ?? sinceMs) >= sinceMs);
      for (const { certificateId } of young) {
        const certificate = await this.#describe(certificateId!);
        if (!key.asksFor(certificate.pem)) continue;
        const { things = [] } = await this.iot.send(new ListPrincipalThingsCommand({ principal: certificate.arn }));
        if (things.length === 0) return certificate;
        throw new CloudError(
          `the private key in the folder of ${this.thing} is that of ${things.join(', ')}; each thing has its own: move the folder away, and do it again`,
        );
      }
      marker = young.length < certificates.length ? undefined : nextMarker; // newest first
    } while (marker !== undefined);
    return undefined;
  }

  async create(key: DeviceKey): Promise<ThingCertificate> {
    const { certificateArn, certificateId, certificatePem } = await this.iot.send(
      new CreateCertificateFromCsrCommand({ certificateSigningRequest: await key.makeRequest(), setAsActive: true }),
    );
    return {
      id: certificateId!,
      arn: certificateArn!,
      status: 'ACTIVE',
      pem: certificatePem!,
      createdAt: undefined,
      validUntil: undefined,
    };
  }

  /** Idempotent. */
  async attach({ arn }: ThingCertificate, policies: readonly string[]): Promise<void> {
    // The thing first: by it the certificate is found again.
    await this.iot.send(new AttachThingPrincipalCommand({ thingName: this.thing, principal: arn }));
    for (const policyName of policies) await this.iot.send(new AttachPolicyCommand({ policyName, target: arn }));
  }

  async policiesOf({ arn }: ThingCertificate): Promise<string[]> {
    const { policies = [] } = await this.iot.send(new ListAttachedPoliciesCommand({ target: arn }));
    return policies.map(({ policyName }) => policyName!);
  }

  async setStatus({ id }: ThingCertificate, newStatus: 'INACTIVE' | 'REVOKED'): Promise<void> {
    await this.iot.send(new UpdateCertificateCommand({ certificateId: id, newStatus }));
  }

  async #describe(certificateId: string): Promise<ThingCertificate> {
    const { certificateDescription: found = {} } = await this.iot.send(
      new DescribeCertificateCommand({ certificateId }),
    );
    return {
      id: certificateId,
      arn: found.certificateArn!,
      status: found.status!,
      pem: found.certificatePem!,
      createdAt: found.creationDate,
      validUntil: found.validity?.notAfter,
    };
  }
}

const idOf = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1);
