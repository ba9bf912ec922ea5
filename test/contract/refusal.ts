import { S3ServiceException } from '@aws-sdk/client-s3';

export interface Refusal {
  readonly status: number | undefined;
  /** S3's error code; for HEAD, which has no body, whatever the SDK makes of the status. */
  readonly code: string;
}

/** The error S3 answers a call with, undefined when it does what it is asked. Other errors pass through. */
export async function findRefusal(call: Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof S3ServiceException) return { status: error.$metadata.httpStatusCode, code: error.name };
    if (isUnreadable(error)) return { status: error.$response.statusCode, code: '' };
    throw error;
  }
}

/** What the SDK throws for an answer that is no XML: it hides the answer in the error. */
function isUnreadable(error: unknown): error is Error & { $response: { statusCode: number } } {
  return error instanceof Error && '$response' in error;
}
