import { setTimeout as sleep } from 'node:timers/promises';
import { BatchesAhead } from '../../src/outbox/batches-ahead';

describe('batches ahead', () => {
  it('are written in their order, whichever is claimed first', async () => {
    const ahead = new BatchesAhead(2);
    const written: number[] = [];
    const write = async (batch: number): Promise<void> => void written.push(batch);
    await ahead.add(sleep(30, 1), write);
    await ahead.add(Promise.resolve(2), write);
    expect(written).toEqual([]);
    await ahead.finish();
    expect(written).toEqual([1, 2]);
  });

  it('are so many at a time', async () => {
    const ahead = new BatchesAhead(2);
    const written: number[] = [];
    const write = async (batch: number): Promise<void> => void written.push(batch);
    for (const batch of [1, 2, 3]) await ahead.add(sleep(10, batch), write);
    expect(written).toContain(1);
    await ahead.finish();
    expect(written).toEqual([1, 2, 3]);
  });

  it('write nothing after one that failed, and are over before that is told', async () => {
    const ahead = new BatchesAhead(5);
    const written: number[] = [];
    let isOver = false;
    await ahead.add(Promise.resolve(1), () => Promise.reject(new Error('no row')));
    await ahead.add(
      sleep(30, 2).finally(() => (isOver = true)),
      async (batch) => void written.push(batch),
    );
    await expect(ahead.finish()).rejects.toThrow('no row');
    expect([written, isOver]).toEqual([[], true]);
    await ahead.add(Promise.resolve(3), async (batch) => void written.push(batch)); // the next look
    await ahead.finish();
    expect(written).toEqual([3]);
  });
});
