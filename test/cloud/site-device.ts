import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/clock';
import { Component } from '../../src/component';
import { loadConfig } from '../../src/config/load-config';
import { silentLog } from '../support/silent-log';
import { until } from '../support/until';
import type { OperatorSite } from './operator-site';

/** The component on a thing that the operator has added, by the files that were written for it. */
export class SiteDevice {
  private constructor(
    private readonly dir: string,
    private readonly component: Component,
    /** What it has died of. */
    readonly broken: readonly unknown[],
  ) {}

  static async start(site: OperatorSite, thing: string): Promise<SiteDevice> {
    if (!existsSync(join(site.dir, thing))) {
      const { status, stderr } = await site.run(['thing', 'add', thing]);
      if (status !== 0) throw new Error(stderr);
    }
    const { cloud } = site;
    const dir = join(site.dir, `${thing}.device`);
    const here = join(site.dir, `${thing}.here.yaml`);
    // Nothing but where the account is on this machine, and what is below / on a device.
    writeFileSync(
      here,
      JSON.stringify({
        s3: { endpoint: cloud.s3Endpoint, pathStyle: true, caFile: cloud.caFile },
        credentials: { roleAlias: { caFile: cloud.caFile } },
        mqtt: { caFile: cloud.caFile },
        outboxes: [],
        inbox: { dir: join(dir, 'inbox') },
        jobs: { dir: join(dir, 'jobs') },
        state: { dir: join(dir, 'state') },
      }),
    );
    const config = loadConfig([join(site.dir, thing, 'courier.yaml'), here], {});
    const edge = { tokenExchange: undefined, clock: systemClock, dice: Math.random, log: silentLog };
    const broken: unknown[] = [];
    const component = await new Component(config, edge).start((error) => broken.push(error));
    const device = new SiteDevice(dir, component, broken);
    await until(
      `${thing} listens`,
      () => component.status().messages?.topics.includes(`courier/${thing}/inbox/pull`) === true,
      () => component.status(),
    );
    return device;
  }

  /** Below `inbox` or `jobs`. */
  read(path: string): Buffer {
    return readFileSync(join(this.dir, path));
  }

  stop(): Promise<void> {
    return this.component.stop();
  }
}
