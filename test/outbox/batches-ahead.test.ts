import { setTimeout as sleep } from 'node:timers/promises';
import { BatchesAhead } from '../../src/outbox/batches-ahead';

describe('batches ahead', () => {
  it('are written in their order, whichever is claimed first', async () => {
    const ahead = new BatchesAhead(2);
    const written: number[] = [];
    const write = async (batch: number): Promise<void> => void written.push(batch);
    ahead.add(sleep(30, 1), write);
    ahead.add(Promise.resolve(2), write);
    expect(written).toEqual([]);
    await ahead.finish();
    expect(written).toEqual([1, 2]);
  });

  it('are so many at a time', async () => {
    const ahead = new BatchesAhead(2);
    const written: number[] = [];
    const before: number[][] = [];
    for (const batch of [1, 2, 3, 4]) {
      await ahead.room();
      before.push([...written]);
      ahead.add(sleep(10, batch), async () => void written.push(batch));
    }
    expect(before.slice(0, 3)).toEqual([[], [], [1]]);
    expect(before[3]).toContain(2);
    await ahead.finish();
    expect(written).toEqual([1, 2, 3, 4]);
  });

  it('write nothing after one that failed, and are over before that is told', async () => {
    const ahead = new BatchesAhead(5);
    const written: number[] = [];
    let isOver = false;
    ahead.add(Promise.resolve(1), () => Promise.reject(new Error('no row')));
    ahead.add(
      sleep(30, 2).finally(() => (isOver = true)),
      async (batch) => void written.push(batch),
    );
    await expect(ahead.finish()).rejects.toThrow('no row');
    expect([written, isOver]).toEqual([[], true]);
    ahead.add(Promise.resolve(3), async (batch) => void written.push(batch)); // the next look
    await ahead.finish();
    expect(written).toEqual([3]);
  });

  it('have no room after one that failed', async () => {
    const ahead = new BatchesAhead(1);
    ahead.add(Promise.resolve(1), () => Promise.reject(new Error('no row')));
    await expect(ahead.room()).rejects.toThrow('no row');
  });
});
