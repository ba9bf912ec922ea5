import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bucket } from '../account';
import type { ArmedFault, FaultPlan } from '../fault-plan';
import type { RequestLog } from '../request-log';
import { authenticate } from './authenticate';
import { S3Answer, S3Exchange, type S3Surroundings } from './exchange';
import { findOperation, OPERATIONS } from './operations';
import { findQuery, parseRequestHead, type RequestHead } from './request-head';
import { accessDenied, S3Error } from './s3-error';
import { el, xmlDocument } from './xml';

const MAX_KEY_BYTES = 1024;
/** What is read of a refused body before the connection is closed on it, and for how long. */
const MAX_DRAIN_BYTES = 64 * 1024 * 1024;
const MAX_DRAIN_MS = 2000;

/** One S3 endpoint for all regions: the one a request is signed for is the one it is meant to have reached. */
export class S3Endpoint {
  constructor(
    private readonly around: S3Surroundings,
    private readonly faults: FaultPlan,
    private readonly log: RequestLog,
  ) {}

  /** Takes one request. Never rejects: whatever goes wrong becomes an answer or a closed socket. */
  async answer(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const atMs = Date.now();
    let operation = 'Unknown';
    let head: RequestHead | undefined;
    let exchange: S3Exchange | undefined;
    let errorCode: string | undefined;
    let struck: ArmedFault | undefined;
    let recorded = false;
    const record = (status: number): void => {
      if (recorded) return;
      recorded = true;
      this.log.add({
        operation,
        bucket: head?.bucket,
        key: head?.key,
        prefix: head && findQuery(head, 'prefix'),
        status,
        errorCode,
        bytesIn: exchange?.bytesIn ?? 0,
        atMs,
        fault: struck?.fault.kind,
      });
    };
    const answer = new S3Answer(request, response, expectsContinue, this.around.now, record);
    response.once('close', () => record(0));
    try {
      head = parseRequestHead(request);
      const name = findOperation(head);
      operation = name ?? 'Unknown';
      struck = this.faults.strike(operation, head.key);
      answer.fault = struck?.fault;
      if (struck !== undefined && (await this.suffer(struck, answer, response))) return;
      const auth = authenticate(head, this.around.account, this.around.now());
      const bucket = this.getBucket(head, auth.claim.region);
      if (name === undefined) {
        throw new S3Error(
          'NotImplemented',
          'A header or query you provided implies functionality that is not implemented.',
        );
      }
      checkKey(head.key);
      exchange = new S3Exchange(this.around, request, answer, head, auth, head.bucket ?? '', bucket, struck?.fault);
      await OPERATIONS[name](exchange);
    } catch (error) {
      if (response.destroyed || request.socket.destroyed) return;
      const shown = error instanceof S3Error ? error : asInternalError(error);
      errorCode = shown.code;
      await this.refuse(shown, head, request, response, answer);
    } finally {
      exchange?.releaseHeld();
    }
  }

  /** The faults that act before anything is done. True when the request is over with that. */
  private async suffer(struck: ArmedFault, answer: S3Answer, response: ServerResponse): Promise<boolean> {
    const { kind, afterBytes, code, message } = struck.fault;
    switch (kind) {
      case 'drop':
        if (afterBytes !== undefined) return false;
        answer.drop();
        return true;
      case 'stall':
        await Promise.race([struck.untilReleased(), new Promise((resolve) => response.once('close', resolve))]);
        return response.destroyed;
      case 'slowDown':
        throw new S3Error('SlowDown', 'Please reduce your request rate.');
      case 'internalError':
        throw new S3Error('InternalError', 'We encountered an internal error. Please try again.');
      case 'error':
        throw new S3Error(code!, message ?? code!);
      case 'dropAfter':
      case 'truncate':
      case 'corrupt':
      case 'error200':
      case 'conflict409':
        return false;
    }
  }

  private getBucket(head: RequestHead, signedRegion: string): Bucket {
    if (head.bucket === undefined) throw new S3Error('NotImplemented', 'ListBuckets is not implemented here.');
    const bucket = this.around.account.findBucket(head.bucket);
    if (bucket === undefined) {
      throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { BucketName: head.bucket });
    }
    if (bucket.region !== signedRegion) {
      throw new S3Error(
        'PermanentRedirect',
        'The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.',
        { Endpoint: `s3.${bucket.region}.amazonaws.com`, Bucket: head.bucket },
        { 'x-amz-bucket-region': bucket.region },
      );
    }
    const owner = head.headers['x-amz-expected-bucket-owner'];
    if (owner !== undefined && owner !== bucket.ownerId) throw accessDenied();
    return bucket;
  }

  private async refuse(
    error: S3Error,
    head: RequestHead | undefined,
    request: IncomingMessage,
    response: ServerResponse,
    answer: S3Answer,
  ): Promise<void> {
    if (response.headersSent) {
      // Too late for an answer: the client must see that the body is not whole.
      request.socket.destroy();
      return;
    }
    const bodiless = error.status === 304;
    const document = el('Error', [
      el('Code', error.code),
      el('Message', error.message),
      ...Object.entries(error.details).map(([name, value]) => el(name, value)),
      el('Resource', head?.path),
      el('RequestId', answer.requestId),
      el('HostId', answer.hostId),
    ]);
    const unread = !request.complete && head !== undefined && hasBody(head);
    await answer.send(
      error.status,
      {
        ...(bodiless ? {} : { 'content-type': 'application/xml' }),
        ...(unread ? { connection: 'close' } : {}),
        ...error.headers,
      },
      bodiless ? '' : xmlDocument(document, false),
      unread && error.code !== 'RequestTimeout' ? () => drain(request) : undefined,
    );
  }
}

/** A body cut off at once would reset the connection under the answer, before the client has read it. */
function drain(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let left = MAX_DRAIN_BYTES;
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, MAX_DRAIN_MS);
    request.removeAllListeners('data');
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left <= 0) done();
    });
    request.once('end', done);
    request.once('close', done);
    request.resume();
  });
}

function hasBody(head: RequestHead): boolean {
  return head.headers['transfer-encoding'] !== undefined || Number(head.headers['content-length'] ?? 0) > 0;
}

function checkKey(key: string | undefined): void {
  const size = Buffer.byteLength(key ?? '');
  if (size <= MAX_KEY_BYTES) return;
  throw new S3Error('KeyTooLongError', 'Your key is too long', { Size: size, MaxSizeAllowed: MAX_KEY_BYTES });
}

function asInternalError(error: unknown): S3Error {
  // A defect of this stand-in must be seen, not taken for a fault that S3 might have.
  process.stderr.write(`local-cloud: ${error instanceof Error ? error.stack : String(error)}\n`);
  return new S3Error('InternalError', 'We encountered an internal error. Please try again.');
}
