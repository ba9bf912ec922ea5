import { TransferError } from '../../domain/errors';

/** The bytes of an answer; one that brings none for so long, or breaks off, is given up. */
export async function* unstalled(
  body: AsyncIterable<Buffer> & { destroy(): void },
  stallMs: number,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  let stalled = false;
  const giveUp = (): void => {
    stalled = true;
    body.destroy();
  };
  let timer = setTimeout(giveUp, stallMs);
  const onAbort = (): void => body.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const bytes of body) {
      clearTimeout(timer);
      yield bytes; // however long the disk takes
      timer = setTimeout(giveUp, stallMs);
    }
  } catch (cause) {
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping', { cause });
    throw new TransferError(
      'S3_UNREACHABLE',
      stalled ? `no byte for ${stallMs / 1000} s` : `the answer broke off (${(cause as Error).message})`,
      { cause },
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    body.destroy();
  }
}
