import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { certificateIdOf } from '../support/certificates';
import type { Account } from './account';
import type { ArmedFault, FaultPlan } from './fault-plan';
import { isAllowed } from './policy';
import type { RequestLog } from './request-log';
import type { SessionCredentials } from './session-tokens';

/** An answer other than 200; the messages are those of the real endpoint. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly errorType: string,
  ) {
    super(message);
  }
}

const denied = (message: string): Refusal => new Refusal(403, message, 'AccessDeniedException');

/** AWS IoT's credentials provider: GET /role-aliases/<alias>/credentials under mutual TLS. */
export class CredentialsEndpoint {
  constructor(
    private readonly account: Account,
    private readonly faults: FaultPlan,
    private readonly log: RequestLog,
    private readonly now: () => number,
  ) {}

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = Date.now();
    const alias = /^\/role-aliases\/([^/?]+)\/credentials$/.exec(request.url ?? '')?.[1];
    const struck = this.faults.strike('Credentials', alias);
    let told = false;
    const tell = (status: number, errorCode?: string): void => {
      if (told) return;
      told = true;
      this.log.add({
        operation: 'Credentials',
        bucket: undefined,
        key: alias,
        status,
        errorCode,
        bytesIn: 0,
        atMs,
        fault: struck?.fault.kind,
      });
    };
    response.once('close', () => tell(0));
    request.resume();
    const reply = (status: number, body: object, errorType?: string): void => {
      if (struck?.fault.kind === 'dropAfter') {
        tell(0);
        request.socket.destroy();
        return;
      }
      tell(status, errorType);
      const text = JSON.stringify(body);
      response.writeHead(status, {
        date: new Date(this.now()).toUTCString(),
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'x-amzn-requestid': crypto.randomUUID(),
        ...(errorType === undefined ? {} : { 'x-amzn-errortype': errorType }),
      });
      if (struck?.fault.kind !== 'truncate') response.end(text);
      else {
        response.write(text.slice(0, text.length / 2));
        request.socket.destroySoon();
      }
    };
    try {
      if (struck !== undefined) await suffer(struck, request, response);
      if (request.socket.destroyed) return;
      reply(200, { credentials: documentOf(await this.issue(request, alias)) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply(error.status, { message: error.message }, error.errorType);
    }
  }

  private async issue(request: IncomingMessage, aliasName: string | undefined): Promise<SessionCredentials> {
    if (request.method !== 'GET' || aliasName === undefined) {
      throw new Refusal(404, 'Not Found', 'ResourceNotFoundException');
    }
    const { certificateId, variables } = this.identify(request);
    const certificate = this.account.findCertificate(certificateId)!;
    const access = {
      action: 'iot:AssumeRoleWithCertificate',
      resource: this.account.roleAliasArn(aliasName),
      // The connection's variables do not exist over https: policies that use them do not match.
      context: {},
    };
    if (!isAllowed([certificate.policy], access)) throw denied('Access Denied');
    const alias = this.account.findRoleAlias(aliasName);
    if (alias === undefined) throw new Refusal(404, 'Role alias does not exist', 'ResourceNotFoundException');
    if (alias.roleMissing === true) {
      throw badRequest('Unable to assume the role, or the role to assume does not exist');
    }
    if (alias.maxSessionSeconds !== undefined && alias.durationSeconds > alias.maxSessionSeconds) {
      throw badRequest('The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role');
    }
    return this.account.issueForAlias(aliasName, variables, this.now() + alias.durationSeconds * 1000);
  }

  /** By certificate, and by the thing named in the header if there is one. */
  private identify(request: IncomingMessage): { certificateId: string; variables: Record<string, string> } {
    const socket = request.socket as TLSSocket;
    const peer = socket.getPeerCertificate();
    // `raw` is missing when the client sent no certificate.
    const der = (peer as { raw?: Buffer }).raw;
    if (der === undefined || !socket.authorized) throw denied('Certificate is invalid on this endpoint');
    const certificateId = certificateIdOf(der);
    const certificate = this.account.findCertificate(certificateId);
    if (certificate?.status !== 'ACTIVE') throw denied('Certificate is invalid on this endpoint');
    const name = request.headers['x-amzn-iot-thingname'];
    if (name === undefined) return { certificateId, variables: {} };
    const thing = typeof name === 'string' ? this.account.findThing(name) : undefined;
    if (thing === undefined || !thing.certificateIds.includes(certificateId)) throw denied('Invalid thing name passed');
    return {
      certificateId,
      variables: {
        'credentials-iot:ThingName': String(name),
        'credentials-iot:AwsCertificateId': certificateId,
        ...(thing.thingType === undefined ? {} : { 'credentials-iot:ThingTypeName': thing.thingType }),
      },
    };
  }
}

async function suffer(struck: ArmedFault, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { kind, code, message } = struck.fault;
  if (kind === 'drop') request.socket.destroy();
  else if (kind === 'stall') {
    await Promise.race([struck.untilReleased(), new Promise((resolve) => response.once('close', resolve))]);
  } else if (kind === 'slowDown') throw new Refusal(429, 'Rate exceeded', 'ThrottlingException');
  else if (kind === 'internalError') throw new Refusal(500, 'Internal failure', 'InternalFailureException');
  else if (kind === 'error')
    throw new Refusal(code === 'AccessDenied' ? 403 : 400, message ?? 'Access Denied', String(code));
}

function documentOf(credentials: SessionCredentials): Record<string, string> {
  return {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    sessionToken: credentials.sessionToken,
    expiration: credentials.expiration.toISOString().replace(/\.\d+/, ''),
  };
}

function badRequest(message: string): Refusal {
  return new Refusal(400, message, 'InvalidRequestException');
}
