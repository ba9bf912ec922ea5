import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenOn } from '../listen-on';
import { ControlError } from './control-error';
import type { ApiRoute } from './iot-api';

export interface Stack {
  readonly name: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly status?: string;
}

export interface ControlSurroundings {
  readonly accountId: string;
  readonly region: string;
  readonly routes: readonly ApiRoute[];
  /** Of S3, which is asked for at the same endpoint. */
  readonly s3: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => Promise<void>;
}

/**
 * What operators ask: CloudFormation, AWS IoT and S3 at one endpoint, without TLS, as `--endpoint-url` has it. Which of
 * them is meant is in the signature's scope; but for S3 the signature itself is not checked.
 */
export class ControlEndpoint {
  readonly stacks: Stack[] = [];
  /** Actions that the operator may not do, as IAM spells them. */
  readonly denied = new Set<string>();
  /** What was asked and answered, in order. */
  readonly calls: string[] = [];
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(private readonly around: ControlSurroundings) {}

  /** @returns its URL */
  async open(): Promise<string> {
    this.#server = createServer((request, response) => void this.#answer(request, response, false));
    this.#server.on('checkContinue', (request, response) => void this.#answer(request, response, true));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    return `http://127.0.0.1:${await listenOn(this.#server, 0)}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];
    if (service === 's3') return this.around.s3(request, response, expectsContinue);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    try {
      if (service === 'cloudformation') {
        this.#pass('cloudformation:DescribeStacks', `stack/${new URLSearchParams(body).get('StackName')}/*`);
        send(response, 200, this.#describeStack(body), 'text/xml');
      } else if (service === 'iot' || service === 'execute-api') send(response, 200, await this.#askIot(request, body));
      else throw new ControlError(403, 'MissingAuthenticationTokenException', `no service "${service}"`);
    } catch (error) {
      const { status, code, message } =
        error instanceof ControlError ? error : new ControlError(500, 'InternalFailureException', String(error));
      const [type, text] =
        service === 'cloudformation'
          ? [
              'text/xml',
              `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
            ]
          : ['application/json', JSON.stringify({ message })];
      send(response, status, text, type, { 'x-amzn-errortype': code });
    }
  }

  async #askIot(request: IncomingMessage, body: string): Promise<string> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    for (const { method, path, action, answer } of this.around.routes) {
      const parameters = method === request.method ? match(path, url.pathname) : undefined;
      if (parameters === undefined) continue;
      this.#pass(action, Object.values(parameters)[0] ?? '*');
      const parsed = body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
      const { headers } = request;
      return JSON.stringify(
        await answer(parameters, { method, path: url.pathname, query: url.searchParams, headers, body: parsed }),
      );
    }
    throw new ControlError(404, 'InvalidRequestException', `${request.method} ${url.pathname} is not implemented here`);
  }

  #pass(action: string, resource: string): void {
    this.calls.push(action);
    if (!this.denied.has(action)) return;
    const { accountId, region } = this.around;
    const arn = `arn:aws:${action.split(':')[0]}:${region}:${accountId}:${resource}`;
    throw new ControlError(
      403,
      action.startsWith('iot:') ? 'AccessDeniedException' : 'AccessDenied',
      `User: arn:aws:iam::${accountId}:user/operator is not authorized to perform: ${action} on resource: ${arn} because no identity-based policy allows the ${action} action`,
    );
  }

  #describeStack(body: string): string {
    const name = new URLSearchParams(body).get('StackName');
    const stack = this.stacks.find((one) => one.name === name);
    if (stack === undefined) throw new ControlError(400, 'ValidationError', `Stack with id ${name} does not exist`);
    const { accountId, region } = this.around;
    const outputs = Object.entries(stack.outputs).map(
      ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
    );
    return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackId>arn:aws:cloudformation:${region}:${accountId}:stack/${name}/1</StackId><StackName>${name}</StackName>
<StackStatus>${stack.status ?? 'CREATE_COMPLETE'}</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>
<Outputs>${outputs.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
  }
}

/** @returns the parameters in the path, or undefined when it is another's */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  const parameters: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const rest = part.startsWith('*');
    const value = rest ? given.slice(i).join('/') : given[i];
    if (value === undefined) return undefined;
    if (rest || part.startsWith(':')) parameters[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return undefined;
    if (rest) return parameters;
  }
  return wanted.length === given.length ? parameters : undefined;
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'application/json',
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': type, 'x-amzn-requestid': 'local', ...headers });
  response.end(body);
}
