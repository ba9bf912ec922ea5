import { TransferError } from '../../domain/errors';
import type { Answer } from './answer-reader';
import { type S3Call, type S3Failure, translateS3Error } from './translate-s3-error';

/** The bucket is elsewhere; where, S3 says. */
export class WrongRegion extends Error {
  constructor(
    readonly region: string,
    readonly failure: TransferError,
  ) {
    super(failure.message);
  }
}

/** Of our own exchange. */
export const explainAnswer = ({ status, headers, text }: Answer, what: S3Call): Error =>
  explain(
    {
      status,
      code: tag(text, 'Code'),
      message: tag(text, 'Message'),
      region: tag(text, 'Region') || headers['x-amz-bucket-region'],
    },
    what,
  );

/** @param onServerDate told what the SDK keeps for itself */
export function explainSdkError(error: unknown, what: S3Call, onServerDate: (date: string | undefined) => void): Error {
  const failure = error as {
    name?: string;
    message?: string;
    Region?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const status = failure.$metadata?.httpStatusCode;
  if (status === undefined) {
    if (error instanceof TransferError) return error; // from our credentials
    return translateS3Error({ status, code: '', message: failure.message || String(failure.name), cause: error }, what);
  }
  const headers = failure.$response?.headers;
  onServerDate(headers?.date);
  // HEAD has no body, so the SDK makes a name of its own.
  const code =
    failure.name === 'Unknown' || failure.name === 'UnknownError' || failure.name === String(status)
      ? ''
      : (failure.name ?? '');
  const region = failure.Region ?? headers?.['x-amz-bucket-region'];
  return explain({ status, code, message: failure.message ?? '', region, cause: error }, what);
}

function explain(failure: S3Failure, what: S3Call): Error {
  const { status, code, region } = failure;
  const error = translateS3Error(failure, what);
  const elsewhere =
    status === 301 ||
    status === 307 ||
    code === 'AuthorizationHeaderMalformed' ||
    code === 'IllegalLocationConstraintException';
  return elsewhere && region !== undefined && region !== '' ? new WrongRegion(region, error) : error;
}

/** S3's error documents are flat; the two or three words needed do not want a parser. */
function tag(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
  return text.replace(
    /&(lt|gt|quot|apos|amp);/g,
    (_, entity: string) => ({ lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' })[entity]!,
  );
}
