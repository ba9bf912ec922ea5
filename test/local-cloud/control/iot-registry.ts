import type { CertificateAuthority } from '../../support/certificates';
import { certificateIdOf } from '../../support/certificates';
import type { Account, CertificateStatus } from '../account';
import type { PolicyDocument } from '../policy';
import { ControlError, invalid, notFound } from './control-error';

interface Certificate {
  readonly pem: string;
  readonly createdAtMs: number;
  readonly policies: Set<string>;
}

interface PolicyVersion {
  readonly document: string;
  readonly createdAtMs: number;
}

interface Policy {
  readonly versions: Map<number, PolicyVersion>;
  defaultVersion: number;
}

const MAX_POLICY_CHARACTERS = 2_048;
const MAX_POLICY_VERSIONS = 5;
const MAX_ATTRIBUTES = 3;

/** AWS IoT's registry, as operators write it: what devices meet of it is in the account. In memory. */
export class IotRegistry {
  /** So many removals are refused as if what was detached were attached still: it takes its time. */
  lateRemovals = 0;
  readonly #attributes = new Map<string, Record<string, string>>();
  readonly #certificates = new Map<string, Certificate>();
  readonly #policies = new Map<string, Policy>();

  constructor(
    private readonly account: Account,
    private readonly deviceAuthority: CertificateAuthority,
    private readonly now: () => number,
  ) {}

  createThing(name: string, attributes: Record<string, string> = {}): void {
    const known = this.#attributes.get(name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(attributes))
      throw new ControlError(
        409,
        'ResourceAlreadyExistsException',
        `Thing ${name} already exists with different attributes`,
      );
    this.#attributes.set(name, attributes);
    if (known === undefined) this.account.putThing(name, { certificateIds: [] });
  }

  thing(name: string): { readonly attributes: Record<string, string> } {
    if (this.account.findThing(name) === undefined) throw notFound(`Thing ${name}`);
    return { attributes: this.#attributes.get(name) ?? {} };
  }

  updateThing(name: string, attributes: Record<string, string>, merge: boolean): void {
    const next = merge ? { ...this.thing(name).attributes, ...attributes } : attributes;
    if (Object.keys(next).length > MAX_ATTRIBUTES) throw invalid('a thing without a type has at most three attributes');
    this.#attributes.set(name, next);
  }

  things(): string[] {
    return [...this.#attributes.keys()].filter((name) => this.account.findThing(name) !== undefined).sort();
  }

  deleteThing(name: string): void {
    if (this.principals(name).length > 0 || this.#isLate())
      throw invalid(`Cannot delete. Thing ${name} is still attached to one or more principals`);
    this.account.removeThing(name);
    this.#attributes.delete(name);
  }

  principals(thing: string): string[] {
    this.thing(thing);
    return this.account.findThing(thing)!.certificateIds.map((id) => this.arn(id));
  }

  thingsOf(principal: string): string[] {
    return this.things().filter((name) => this.principals(name).includes(principal));
  }

  attachThing(thing: string, principal: string): void {
    this.certificate(this.#idOf(principal));
    const attached = new Set(this.principals(thing)).add(principal);
    this.account.putThing(thing, { ...this.account.findThing(thing)!, certificateIds: [...attached].map(this.#idOf) });
  }

  detachThing(thing: string, principal: string): void {
    const left = this.principals(thing).filter((one) => one !== principal);
    this.account.putThing(thing, { ...this.account.findThing(thing)!, certificateIds: left.map(this.#idOf) });
  }

  /** Signs the request's own public key. Each request makes another certificate, the same one again too. */
  async createCertificate(requestPem: string, isActive: boolean): Promise<string> {
    const pem = await this.deviceAuthority.sign(requestPem);
    const id = certificateIdOf(pem);
    this.#certificates.set(id, { pem, createdAtMs: this.now(), policies: new Set() });
    this.account.putCertificate(id, { status: isActive ? 'ACTIVE' : 'INACTIVE', policy: { Statement: [] } });
    return id;
  }

  certificate(id: string): { readonly pem: string; readonly createdAtMs: number; readonly status: CertificateStatus } {
    const found = this.#certificates.get(id);
    const registered = this.account.findCertificate(id);
    if (found === undefined || registered === undefined) throw notFound(`The certificate given in the principal ${id}`);
    return { pem: found.pem, createdAtMs: found.createdAtMs, status: registered.status };
  }

  /** Oldest first. */
  certificates(): string[] {
    return [...this.#certificates.keys()];
  }

  setStatus(id: string, status: CertificateStatus): void {
    if (this.certificate(id).status === 'REVOKED' && status !== 'REVOKED')
      throw new ControlError(406, 'CertificateStateException', `The certificate is REVOKED: ${id}`);
    this.account.putCertificate(id, { ...this.account.findCertificate(id)!, status });
  }

  deleteCertificate(id: string): void {
    if (this.certificate(id).status === 'ACTIVE')
      throw new ControlError(406, 'CertificateStateException', `The certificate is ACTIVE: ${id}`);
    if (this.thingsOf(this.arn(id)).length > 0 || this.#certificates.get(id)!.policies.size > 0 || this.#isLate())
      throw new ControlError(409, 'DeleteConflictException', `The certificate has things or policies attached: ${id}`);
    this.account.removeCertificate(id);
    this.#certificates.delete(id);
  }

  putPolicy(name: string, document: string): void {
    if (this.#policies.has(name))
      throw new ControlError(
        409,
        'ResourceAlreadyExistsException',
        `Policy cannot be created - name already exists (${name})`,
      );
    this.#policies.set(name, { versions: new Map(), defaultVersion: 0 });
    this.addPolicyVersion(name, document);
  }

  addPolicyVersion(name: string, document: string): number {
    if (document.replace(/\s/g, '').length > MAX_POLICY_CHARACTERS)
      throw new ControlError(400, 'MalformedPolicyException', `Policy exceeds ${MAX_POLICY_CHARACTERS} characters`);
    const policy = this.policy(name);
    if (policy.versions.size >= MAX_POLICY_VERSIONS)
      throw new ControlError(
        409,
        'VersionsLimitExceededException',
        'The policy already has the maximum number of versions (5)',
      );
    policy.defaultVersion += 1;
    policy.versions.set(policy.defaultVersion, { document, createdAtMs: this.now() });
    this.#refresh();
    return policy.defaultVersion;
  }

  policy(name: string): Policy {
    const policy = this.#policies.get(name);
    if (policy === undefined) throw notFound(`Policy ${name}`);
    return policy;
  }

  deletePolicyVersion(name: string, version: number): void {
    if (this.policy(name).defaultVersion === version)
      throw new ControlError(409, 'DeleteConflictException', 'Cannot delete the default version of a policy');
    this.policy(name).versions.delete(version);
  }

  deletePolicy(name: string): void {
    if (
      this.policy(name).versions.size > 1 ||
      [...this.#certificates.values()].some(({ policies }) => policies.has(name)) ||
      this.#isLate()
    )
      throw new ControlError(409, 'DeleteConflictException', `Policy ${name} has versions or targets`);
    this.#policies.delete(name);
  }

  attachPolicy(name: string, target: string): void {
    this.policy(name);
    this.#get(target).policies.add(name);
    this.#refresh();
  }

  detachPolicy(name: string, target: string): void {
    this.#get(target).policies.delete(name);
    this.#refresh();
  }

  policiesOf(target: string): string[] {
    return [...this.#get(target).policies];
  }

  #isLate(): boolean {
    return this.lateRemovals > 0 && this.lateRemovals-- > 0;
  }

  arn(certificateId: string): string {
    return `arn:aws:iot:${this.account.region}:${this.account.accountId}:cert/${certificateId}`;
  }

  #get(arn: string): Certificate {
    this.certificate(this.#idOf(arn));
    return this.#certificates.get(this.#idOf(arn))!;
  }

  /** What a certificate may do is what its policies say, as they are now. */
  #refresh(): void {
    for (const [id, { policies }] of this.#certificates) {
      const documents = [...policies].map((name) => {
        const { versions, defaultVersion } = this.policy(name);
        return JSON.parse(versions.get(defaultVersion)!.document) as PolicyDocument;
      });
      const policy = { Version: '2012-10-17' as const, Statement: documents.flatMap(({ Statement }) => Statement) };
      this.account.putCertificate(id, { ...this.account.findCertificate(id)!, policy });
    }
  }

  readonly #idOf = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1);
}
