import { utimesSync } from 'node:fs';
import { systemClock } from '../../src/clock';
import { Courier } from '../support/courier';
import { filesIn } from '../support/outbox-folder';
import { until } from '../support/until';

const TEN_YEARS_MS = 10 * 365.25 * 86_400_000;

describe('a wall clock that is stepped', () => {
  let courier: Courier;
  let offsetMs: number;
  const stepped = { ...systemClock, nowMs: () => Date.now() + offsetMs };
  beforeEach(() => {
    offsetMs = 0;
  });
  afterEach(() => courier.end());

  it.each([
    ['ahead and back', [0, TEN_YEARS_MS, 0]],
    ['back and ahead', [0, -TEN_YEARS_MS, 0]],
    ['all ways', [TEN_YEARS_MS, -TEN_YEARS_MS, TEN_YEARS_MS, 0]],
  ])('%s by ten years while running loses nothing and sends nothing twice', async (_, steps) => {
    courier = (await Courier.create({ edge: { clock: stepped }, config: { upload: { stallSeconds: 20 } } })).claims({
      settleSeconds: 0.2,
      deleteGraceSeconds: 0.2,
    });
    [offsetMs = 0] = steps;
    await courier.start();
    const dropped = new Map<string, string>();
    for (const [i, step] of steps.entries()) {
      for (let n = 0; n < 20; n++) {
        const name = `step${i}-${n}`;
        const file = courier.drop(name, `${name} at ${step}`);
        utimesSync(file, (Date.now() + offsetMs) / 1000, (Date.now() + offsetMs) / 1000);
        dropped.set(`device00/outbox/${name}`, `${name} at ${step}`);
        if (n === 10) offsetMs = step; // some settle over it
      }
      if (i > 0) await courier.logged('the clock was set, files settle anew', i);
    }
    await courier.delivered(dropped.size);
    for (const [key, content] of dropped) expect((await courier.content(key)).toString()).toBe(content);
    const sent = courier.cloud.requests.filter(({ operation, status }) => operation === 'PutObject' && status === 200);
    expect(sent).toHaveLength(dropped.size);
    await until('all are gone', () => filesIn(courier.component.status().outboxes[0]!.spool!).length === 0);
  });

  it('over a restart: files that wait are sent once', async () => {
    courier = (await Courier.create({ edge: { clock: stepped }, config: { upload: { stallSeconds: 20 } } })).claims();
    await courier.cloud.goOffline();
    await courier.start();
    for (let n = 0; n < 10; n++) courier.drop(`f${n}`, `${n}`);
    await until('claimed', () => courier.component.status().uploads.queued === 10);
    await courier.stop();
    offsetMs = -TEN_YEARS_MS;
    await courier.cloud.goOnline();
    await courier.start();
    await courier.delivered(10);
    const sent = courier.cloud.requests.filter(({ operation, status }) => operation === 'PutObject' && status === 200);
    expect(sent).toHaveLength(10);
  });
});
