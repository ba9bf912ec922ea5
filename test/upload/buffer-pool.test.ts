import fc from 'fast-check';
import { BufferPool, type Lease } from '../../src/upload/buffer-pool';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

describe('the pool of buffers', () => {
  it('never lends more than its limit, serves in order, and loses nobody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 * MIB }), { minLength: 1, maxLength: 60 }),
        async (sizes) => {
          const pool = new BufferPool(8 * MIB);
          const order: number[] = [];
          let lent = 0;
          const held: Lease[] = [];
          const all = sizes.map(async (size, i) => {
            const lease = await pool.acquire(size, never);
            expect(lease.buffer).toHaveLength(size);
            order.push(i);
            lent += size;
            expect(lent).toBeLessThanOrEqual(8 * MIB);
            held.push(lease);
          });
          while (order.length < sizes.length) {
            await Promise.resolve();
            const lease = held.shift();
            if (lease === undefined) continue;
            lent -= lease.buffer.length;
            lease.release();
          }
          await Promise.all(all);
          expect(order).toEqual(sizes.map((_, i) => i));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('uses a buffer again', async () => {
    const pool = new BufferPool(8 * MIB);
    const first = await pool.acquire(5_000, never);
    const memory = first.buffer.buffer;
    first.release();
    expect((await pool.acquire(6_000, never)).buffer.buffer).toBe(memory);
  });

  it('lets who waits go when it stops', async () => {
    const pool = new BufferPool(1 * MIB);
    await pool.acquire(MIB, never);
    const stop = new AbortController();
    const waiting = pool.acquire(MIB, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'STOPPING' });
  });

  it('lends one buffer beyond a limit that is set too small, rather than none', async () => {
    expect((await new BufferPool(1).acquire(4_096, never)).buffer).toHaveLength(4_096);
  });
});
