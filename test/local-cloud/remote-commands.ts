import type { ArmedFault, Fault, FaultAim } from './fault-plan';
import type { BrokerFaults } from './iot/mqtt-broker';
import type { JobsFault } from './jobs/jobs-fault';
import type { LocalCloud } from './local-cloud';
import { seededRandom } from './seeded-random';

type Command = (...args: never[]) => unknown;

/** What a parent process may ask of a cloud in a child. Arguments and answers are those of LocalCloud, as JSON. */
export class RemoteCommands {
  private readonly faults: ArmedFault<FaultAim>[] = [];
  private readonly commands: Record<string, Command>;

  constructor(cloud: LocalCloud) {
    this.commands = {
      createBucket: cloud.createBucket.bind(cloud),
      createRoleAlias: cloud.createRoleAlias.bind(cloud),
      createThing: cloud.createThing.bind(cloud),
      revoke: cloud.revoke.bind(cloud),
      setCertificateStatus: cloud.setCertificateStatus.bind(cloud),
      issueCredentials: cloud.issueCredentials.bind(cloud),
      expireTokens: cloud.expireTokens.bind(cloud),
      goOffline: cloud.goOffline.bind(cloud),
      goOnline: cloud.goOnline.bind(cloud),
      publish: cloud.mqtt.publish.bind(cloud.mqtt),
      publishedTo: (filter: string) =>
        cloud.mqtt.publishedTo(filter).map(({ payload, ...message }) => ({ ...message, payload: payload.toString() })),
      setMqttFaults: (faults: Partial<BrokerFaults>) => Object.assign(cloud.mqtt.faults, faults),
      dropMqtt: () => cloud.mqtt.dropAll(),
      createThingGroup: cloud.createThingGroup.bind(cloud),
      createJob: cloud.jobs.control.createJob.bind(cloud.jobs.control),
      cancelJob: cloud.jobs.control.cancelJob.bind(cloud.jobs.control),
      cancelJobExecution: cloud.jobs.control.cancelJobExecution.bind(cloud.jobs.control),
      deleteJob: cloud.jobs.control.deleteJob.bind(cloud.jobs.control),
      removeTarget: cloud.jobs.control.removeTarget.bind(cloud.jobs.control),
      describeJob: cloud.jobs.control.describeJob.bind(cloud.jobs.control),
      describeJobExecution: cloud.jobs.control.describeJobExecution.bind(cloud.jobs.control),
      jobsRequests: () => cloud.jobs.requests,
      setJobs: (settings: Partial<LocalCloud['jobs']['settings']>) => Object.assign(cloud.jobs.settings, settings),
      /** numbered together with the others, for the commands below */
      addJobsFault: (fault: RemoteFault<JobsFault>) => this.keep(cloud.jobs.faults.add(localFault(fault))),
      setClockOffsetMs: (offsetMs: number) => {
        cloud.clockOffsetMs = offsetMs;
      },
      set: (settings: Partial<LocalCloud['settings']>) => Object.assign(cloud.settings, settings),
      objects: (bucket: string) => cloud.objects(bucket).map(({ key, sizeBytes, etag }) => ({ key, sizeBytes, etag })),
      sha256: cloud.sha256.bind(cloud),
      multipartUploads: cloud.multipartUploads.bind(cloud),
      requests: () => cloud.requests,
      counters: () => cloud.counters,
      clearRequests: cloud.clearRequests.bind(cloud),
      /** gives the number for the commands below; `keyPattern` is a regular expression, `count` may be "Infinity" */
      addFault: (fault: RemoteFault<Fault>) => this.keep(cloud.faults.add(localFault(fault))),
      removeFault: (number: number) => this.getFault(number).remove(),
      releaseFault: (number: number) => this.getFault(number).release(),
      faultHits: (number: number) => this.getFault(number).hits,
      waitForFaultHits: (number: number, count: number) => this.getFault(number).waitForHits(count),
      clearFaults: () => {
        cloud.faults.clear();
        cloud.jobs.faults.clear();
      },
    };
  }

  /** One line in, one line out; never rejects. */
  async run(line: string): Promise<string> {
    let id: unknown;
    try {
      const wanted = JSON.parse(line) as { id?: unknown; do: string; args?: never[] };
      id = wanted.id;
      const command = Object.hasOwn(this.commands, wanted.do) ? this.commands[wanted.do] : undefined;
      if (command === undefined) throw new Error(`no command ${wanted.do}`);
      return JSON.stringify({ id, ok: true, value: await command(...(wanted.args ?? [])) });
    } catch (error) {
      return JSON.stringify({ id, ok: false, error: error instanceof Error ? error.message : String(error) });
    }
  }

  private keep(fault: ArmedFault<FaultAim>): number {
    return this.faults.push(fault) - 1;
  }

  private getFault(number: number): ArmedFault<FaultAim> {
    const fault = this.faults[number];
    if (fault === undefined) throw new Error(`no fault ${number}`);
    return fault;
  }
}

type RemoteFault<F extends FaultAim> = Omit<F, 'key' | 'count' | 'random'> & {
  key?: string;
  keyPattern?: string;
  count?: number | string;
  /** of the chance in `probability` */
  seed?: number;
};

function localFault<F extends FaultAim>({ keyPattern, key, count, seed, ...fault }: RemoteFault<F>): F {
  const wanted = keyPattern === undefined ? key : new RegExp(keyPattern);
  return {
    ...fault,
    ...(wanted === undefined ? {} : { key: wanted }),
    ...(count === undefined ? {} : { count: Number(count) }),
    ...(seed === undefined ? {} : { random: seededRandom(seed) }),
  } as unknown as F;
}
