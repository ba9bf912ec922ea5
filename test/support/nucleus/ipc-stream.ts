import { MESSAGE_FLAG, MESSAGE_TYPE, type WireConnection } from '../../../src/aws/greengrass/wire-connection';
import { IpcError } from './ipc-error';
import type { NucleusKind } from './switches';

const PREFIX = 'aws.greengrass#';

/** One request of the client, and what is said about it until either side ends it. */
export class IpcStream {
  readonly #ends: (() => void)[] = [];
  #isOpen = true;

  constructor(
    private readonly connection: WireConnection,
    private readonly streamId: number,
    private readonly kind: NucleusKind,
  ) {}

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @param shape short name of the answer or event in the service's model */
  send(shape: string, body: object): void {
    if (this.#isOpen) this.#write(MESSAGE_TYPE.application, 0, shape, body);
  }

  /** The one answer of an operation that has no events: classic ends the stream with it, lite leaves that to the client. */
  answer(shape: string, body: object): void {
    if (!this.#isOpen) return;
    this.#write(MESSAGE_TYPE.application, this.kind === 'classic' ? MESSAGE_FLAG.terminateStream : 0, shape, body);
    if (this.kind === 'classic') this.ended();
  }

  refuse(error: unknown): void {
    if (!this.#isOpen) return;
    const { code, message, details } =
      error instanceof IpcError ? error : new IpcError('ServiceError', (error as Error).message);
    // Only classic fills the member that clients read; lite's message is lost on them.
    const body =
      this.kind === 'classic'
        ? {
            ...details,
            message,
            _service: `${PREFIX}GreengrassCoreIPC`,
            _message: message,
            _errorCode: code,
          }
        : { _message: message, _errorCode: code };
    this.#write(MESSAGE_TYPE.applicationError, MESSAGE_FLAG.terminateStream, code, body);
    this.ended();
  }

  onEnded(react: () => void): void {
    this.#ends.push(react);
  }

  ended(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const react of this.#ends) react();
  }

  #write(type: number, flags: number, shape: string, body: object): void {
    const headers = { ':content-type': 'application/json', 'service-model-type': `${PREFIX}${shape}` };
    this.connection.send({ type, flags, streamId: this.streamId, headers, body: Buffer.from(JSON.stringify(body)) });
  }
}
