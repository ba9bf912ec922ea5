/** Of a body every so many bytes are a call. */
const READ_BYTES = 1024 * 1024;

/** @param call makes it one that may be the last @param onBytes told of all that come, whether they are kept or not */
export async function* guardedBytes(
  bytes: AsyncIterable<Buffer>,
  call: <T>(real: () => Promise<T>) => Promise<T>,
  onBytes: (bytes: number) => void,
): AsyncIterable<Buffer> {
  const real = bytes[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
    const read = await real.next();
    if (read.done !== true) onBytes(read.value.length);
    return read;
  };
  try {
    for (let sinceCall = READ_BYTES; ; ) {
      const isCall = sinceCall >= READ_BYTES;
      const read = await (isCall ? call(next) : next());
      if (read.done === true) return;
      sinceCall = (isCall ? 0 : sinceCall) + read.value.length;
      yield read.value;
    }
  } finally {
    await real.return?.();
  }
}
