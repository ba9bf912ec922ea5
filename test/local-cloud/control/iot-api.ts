import { ControlError, invalid } from './control-error';
import type { IotRegistry } from './iot-registry';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Record<string, unknown>;
}

export interface ApiRoute {
  readonly method: string;
  /** `:name` is one segment; `*name` all that follows. */
  readonly path: string;
  /** As IAM spells it. */
  readonly action: string;
  readonly answer: (parameters: Readonly<Record<string, string>>, request: ApiRequest) => object | Promise<object>;
}

const DEFAULT_PAGE = 25;

/** The requests of AWS IoT's control plane that provisioning makes. https://docs.aws.amazon.com/iot/latest/apireference/ */
export function iotRoutes(registry: IotRegistry, endpoints: () => Readonly<Record<string, string>>): ApiRoute[] {
  const seconds = (ms: number): number => ms / 1000;
  const principal = ({ headers }: ApiRequest): string => String(headers['x-amzn-principal']);
  const route = (method: string, path: string, action: string, answer: ApiRoute['answer']): ApiRoute => ({
    method,
    path,
    action: `iot:${action}`,
    answer,
  });
  const attributesOf = ({ body }: ApiRequest): Record<string, string> =>
    (body.attributePayload as { attributes?: Record<string, string> } | undefined)?.attributes ?? {};
  return [
    route('GET', '/endpoint', 'DescribeEndpoint', (_, { query }) => {
      const endpointAddress = endpoints()[query.get('endpointType') ?? ''];
      if (endpointAddress === undefined) throw invalid(`no endpoint of type ${query.get('endpointType')}`);
      return { endpointAddress };
    }),
    route('GET', '/things', 'ListThings', (_, { query }) => {
      const [name, value] = [query.get('attributeName'), query.get('attributeValue')];
      const fits = registry
        .things()
        .filter((thing) => name === null || registry.thing(thing).attributes[name] === value);
      const { page, next } = paged(fits, query.get('nextToken'), query.get('maxResults'));
      return { things: page.map((thingName) => ({ thingName, ...registry.thing(thingName) })), nextToken: next };
    }),
    route('GET', '/things/:thing', 'DescribeThing', ({ thing }) => ({
      thingName: thing,
      defaultClientId: thing,
      version: 1,
      ...registry.thing(thing!),
    })),
    route('POST', '/things/:thing', 'CreateThing', ({ thing }, request) => {
      registry.createThing(thing!, attributesOf(request));
      return { thingName: thing };
    }),
    route('PATCH', '/things/:thing', 'UpdateThing', ({ thing }, request) => {
      const merge = (request.body.attributePayload as { merge?: boolean } | undefined)?.merge === true;
      registry.updateThing(thing!, attributesOf(request), merge);
      return {};
    }),
    route('DELETE', '/things/:thing', 'DeleteThing', ({ thing }) => {
      registry.deleteThing(thing!);
      return {};
    }),
    route('GET', '/things/:thing/principals', 'ListThingPrincipals', ({ thing }, { query }) => {
      const { page, next } = paged(registry.principals(thing!), query.get('nextToken'), query.get('maxResults'));
      return { principals: page, nextToken: next };
    }),
    route('PUT', '/things/:thing/principals', 'AttachThingPrincipal', ({ thing }, request) => {
      registry.attachThing(thing!, principal(request));
      return {};
    }),
    route('DELETE', '/things/:thing/principals', 'DetachThingPrincipal', ({ thing }, request) => {
      registry.detachThing(thing!, principal(request));
      return {};
    }),
    route('GET', '/principals/things', 'ListPrincipalThings', (_, request) => ({
      things: registry.thingsOf(principal(request)),
    })),
    route('POST', '/certificates', 'CreateCertificateFromCsr', async (_, { body, query }) => {
      const id = await registry.createCertificate(
        String(body.certificateSigningRequest),
        query.get('setAsActive') === 'true',
      );
      return { certificateId: id, certificateArn: registry.arn(id), certificatePem: registry.certificate(id).pem };
    }),
    route('GET', '/certificates', 'ListCertificates', (_, { query }) => {
      const ids = registry.certificates();
      if (query.get('isAscendingOrder') !== 'true') ids.reverse();
      const { page, next } = paged(ids, query.get('marker'), query.get('pageSize'));
      return {
        certificates: page.map((certificateId) => ({
          certificateId,
          certificateArn: registry.arn(certificateId),
          status: registry.certificate(certificateId).status,
          creationDate: seconds(registry.certificate(certificateId).createdAtMs),
        })),
        nextMarker: next,
      };
    }),
    route('GET', '/certificates/:id', 'DescribeCertificate', ({ id }) => {
      const { pem, status, createdAtMs } = registry.certificate(id!);
      return {
        certificateDescription: {
          certificateId: id,
          certificateArn: registry.arn(id!),
          certificatePem: pem,
          status,
          creationDate: seconds(createdAtMs),
        },
      };
    }),
    route('PUT', '/certificates/:id', 'UpdateCertificate', ({ id }, { query }) => {
      registry.setStatus(id!, query.get('newStatus') as 'ACTIVE');
      return {};
    }),
    route('DELETE', '/certificates/:id', 'DeleteCertificate', ({ id }) => {
      registry.deleteCertificate(id!);
      return {};
    }),
    route('GET', '/policies/:name', 'GetPolicy', ({ name }) => {
      const { versions, defaultVersion } = registry.policy(name!);
      return {
        policyName: name,
        policyDocument: versions.get(defaultVersion)!.document,
        defaultVersionId: String(defaultVersion),
      };
    }),
    route('POST', '/policies/:name', 'CreatePolicy', ({ name }, { body }) => {
      registry.putPolicy(name!, String(body.policyDocument));
      return { policyName: name };
    }),
    route('DELETE', '/policies/:name', 'DeletePolicy', ({ name }) => {
      registry.deletePolicy(name!);
      return {};
    }),
    route('GET', '/policies/:name/version', 'ListPolicyVersions', ({ name }) => {
      const { versions, defaultVersion } = registry.policy(name!);
      return {
        policyVersions: [...versions].map(([version, { createdAtMs }]) => ({
          versionId: String(version),
          isDefaultVersion: version === defaultVersion,
          createDate: seconds(createdAtMs),
        })),
      };
    }),
    route('POST', '/policies/:name/version', 'CreatePolicyVersion', ({ name }, { body }) => ({
      policyVersionId: String(registry.addPolicyVersion(name!, String(body.policyDocument))),
    })),
    route('DELETE', '/policies/:name/version/:version', 'DeletePolicyVersion', ({ name, version }) => {
      registry.deletePolicyVersion(name!, Number(version));
      return {};
    }),
    route('PUT', '/target-policies/:name', 'AttachPolicy', ({ name }, { body }) => {
      registry.attachPolicy(name!, String(body.target));
      return {};
    }),
    route('POST', '/target-policies/:name', 'DetachPolicy', ({ name }, { body }) => {
      registry.detachPolicy(name!, String(body.target));
      return {};
    }),
    route('POST', '/attached-policies/*target', 'ListAttachedPolicies', ({ target }) => ({
      policies: registry.policiesOf(target!).map((policyName) => ({ policyName })),
    })),
  ];
}

function paged(all: readonly string[], token: string | null, size: string | null): { page: string[]; next?: string } {
  const from = token === null ? 0 : all.indexOf(token);
  if (from < 0) throw new ControlError(400, 'InvalidRequestException', 'The token is invalid');
  const page = all.slice(from, from + Number(size ?? DEFAULT_PAGE));
  const following = all[from + page.length];
  return following === undefined ? { page } : { page, next: following };
}
