import { TransferError } from '../domain/errors';

/** A buffer on loan: exactly as long as asked for. Given back once, when nothing reads or writes it any more. */
export interface Lease {
  readonly buffer: Buffer;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly grant: (lease: Lease) => void;
}

const SMALLEST_BYTES = 4 * 1024;
const MIB = 1024 * 1024;

/** All buffers of all uploads, within one number of bytes. Buffers are used again; whoever asks first is served first. */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #waiters: Waiter[] = [];
  #allocatedBytes = 0;

  constructor(private readonly limitBytes: number) {}

  /** A request larger than this is not worth a buffer: it is streamed. */
  get largestBytes(): number {
    return Math.floor(this.limitBytes / 3);
  }

  /** Waits for room. @throws TransferError STOPPING */
  acquire(bytes: number, signal: AbortSignal): Promise<Lease> | Lease {
    if (signal.aborted) throw new TransferError('STOPPING', 'stopping');
    if (this.#waiters.length === 0) {
      const lease = this.#tryLease(bytes);
      if (lease !== undefined) return lease;
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new TransferError('STOPPING', 'stopping'));
      };
      const waiter: Waiter = {
        bytes,
        grant: (lease) => {
          signal.removeEventListener('abort', onAbort);
          resolve(lease);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #tryLease(bytes: number): Lease | undefined {
    const size = sizeClass(bytes);
    const kept = this.#free.get(size)?.pop();
    const whole = kept ?? this.#allocate(size);
    if (whole === undefined) return undefined;
    return { buffer: whole.subarray(0, bytes), release: () => this.#takeBack(whole) };
  }

  #allocate(size: number): Buffer | undefined {
    for (const [freeSize, buffers] of this.#free) {
      while (this.#allocatedBytes + size > this.limitBytes && buffers.length > 0) {
        buffers.pop();
        this.#allocatedBytes -= freeSize;
      }
    }
    // A single request may always go, however small the limit is set.
    if (this.#allocatedBytes > 0 && this.#allocatedBytes + size > this.limitBytes) return undefined;
    this.#allocatedBytes += size;
    return Buffer.allocUnsafeSlow(size);
  }

  #takeBack(whole: Buffer): void {
    const free = this.#free.get(whole.length);
    if (free === undefined) this.#free.set(whole.length, [whole]);
    else free.push(whole);
    for (let next = this.#waiters[0]; next !== undefined; next = this.#waiters[0]) {
      const lease = this.#tryLease(next.bytes);
      if (lease === undefined) return;
      this.#waiters.shift();
      next.grant(lease);
    }
  }
}

/** Few sizes, so that a buffer fits the next request: powers of two up to 1 MiB, then whole MiB. */
function sizeClass(bytes: number): number {
  if (bytes > MIB) return Math.ceil(bytes / MIB) * MIB;
  return Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));
}
