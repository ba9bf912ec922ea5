import { until } from '../../support/until';
import type { Account } from '../account';
import { FaultPlan } from '../fault-plan';
import { presignUrl } from '../s3/presign-url';
import { seconds } from './execution-view';
import { Executions, type Notification, type NotificationSettings } from './executions';
import { fillDocument } from './job-document';
import { JobStore } from './job-store';
import { JobsControl } from './jobs-control';
import { JobsData, type JobsDataSettings } from './jobs-data';
import { JobsError } from './jobs-error';
import type { JobsFault } from './jobs-fault';
import { type JobsOperation, type JobsTopic, parseJobsTopic } from './parse-jobs-topic';
import type { JobRecord } from './records';
import { RequestBody } from './request-body';

export interface JobsSurroundings {
  readonly dir: string;
  readonly account: Account;
  readonly now: () => number;
  readonly s3Endpoint: () => string;
  /** the shortest life of a presigned URL; the real service has 60 */
  readonly minPresignSeconds?: number;
}

export interface JobsSettings extends JobsDataSettings, NotificationSettings {
  /** The session that signs URLs ends so long after; a URL that lives longer ends with it, as ExpiredToken. */
  signingSessionSeconds: number;
}

/** One request of a device. */
export interface JobsRequest {
  readonly topic: string;
  readonly thing: string;
  readonly operation: JobsOperation | undefined;
  readonly jobId: string | undefined;
  /** undefined when it was not readable */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** undefined when it was never heard */
  readonly outcome: 'accepted' | JobsError['code'] | undefined;
  /** what was said, or would have been but for `fault` */
  readonly answer: object | undefined;
  readonly fault: JobsFault['kind'] | undefined;
  /** wall clock of this machine */
  readonly atMs: number;
}

/** To the one who asked, whether it subscribed or not. */
export type Answer = (topic: string, payload: object) => void;

const KEPT_REQUESTS = 10_000;
/** The clock may be set meanwhile. */
const MAX_PAUSE_MS = 250;

/** AWS IoT Jobs: what devices ask over MQTT, and what operators do (`control`). Kept on disk. */
export class JobsService {
  readonly faults = new FaultPlan<JobsFault>();
  readonly settings: JobsSettings = {
    signingSessionSeconds: 3600,
    tellsEmptyExecution: false,
    checksVersionFirst: false,
    notifiesProgress: false,
  };
  /** The latest, in order. */
  readonly requests: JobsRequest[] = [];
  readonly control: JobsControl;
  private readonly listeners: ((notification: Notification) => void)[] = [];
  private readonly executions: Executions;
  private readonly data: JobsData;
  private timer: NodeJS.Timeout | undefined;
  private isRunning = false;

  constructor(private readonly around: JobsSurroundings) {
    const store = JobStore.open(around.dir);
    this.executions = new Executions(store, around.now, (job) => this.fill(job), this.settings);
    this.data = new JobsData(store, this.executions, this.settings);
    this.control = new JobsControl(store, this.executions, around, () => this.settle());
  }

  /** From now on things are told, and time passes. */
  start(): void {
    this.isRunning = true;
    this.settle();
  }

  /** Nothing is written any longer. */
  stop(): void {
    this.isRunning = false;
    clearTimeout(this.timer);
    this.listeners.length = 0;
    this.faults.clear();
  }

  /** Told of each notification: to whom its topic says. */
  onNotification(hear: (notification: Notification) => void): void {
    this.listeners.push(hear);
  }

  /** A device publishes below `$aws/things/<thing>/jobs/`. */
  hear(topic: string, payload: Buffer, answer: Answer): void {
    const target = parseJobsTopic(topic);
    if (target === undefined) throw new Error(`${topic} is no topic of the service`);
    if (!this.isRunning) return;
    this.executions.expire();
    const struck = this.faults.strike(target.operation ?? 'Unknown', target.jobId);
    const fault = struck?.fault;
    const performed = fault?.kind === 'drop' ? undefined : this.perform(target, payload, fault);
    this.note({ topic, ...target, fault: fault?.kind, ...performed });
    if (performed !== undefined && fault?.kind !== 'dropAfter') {
      const { outcome, answer: said } = performed;
      const tell = (): void => answer(`${topic}/${outcome === 'accepted' ? 'accepted' : 'rejected'}`, said);
      if (fault?.kind === 'stall') void struck!.untilReleased().then(tell);
      else tell();
      if (fault?.kind === 'repeat') tell();
    }
    this.settle();
  }

  /** Times out what is due by now; comes by itself too, a little later. */
  settle(): void {
    if (!this.isRunning) return;
    this.executions.expire();
    for (const notification of this.executions.takeNotifications())
      for (const listener of this.listeners) listener(notification);
    clearTimeout(this.timer);
    const pauseMs = this.executions.nextEndMs() - this.around.now();
    if (pauseMs === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(() => this.settle(), Math.max(0, Math.min(pauseMs, MAX_PAUSE_MS)));
    this.timer.unref();
  }

  /** The first request, past or to come, that fits. */
  async waitForRequest(what: string, fits: (request: JobsRequest) => boolean): Promise<JobsRequest> {
    await until(
      what,
      () => this.requests.some(fits),
      () => this.requests.slice(-20),
    );
    return this.requests.find(fits)!;
  }

  private perform(
    target: JobsTopic,
    payload: Buffer,
    fault: JobsFault | undefined,
  ): Pick<JobsRequest, 'body' | 'outcome'> & { answer: object } {
    let body: RequestBody | undefined;
    let clientToken: { clientToken?: string } = {};
    const timestamp = seconds(this.around.now());
    try {
      body = RequestBody.parse(payload);
      if (body.clientToken !== undefined) clientToken = { clientToken: body.clientToken };
      if (fault?.kind === 'error') throw new JobsError(fault.code!, fault.message ?? fault.code!);
      if (this.around.account.findThing(target.thing) === undefined)
        throw new JobsError('ResourceNotFound', `There is no thing ${target.thing}.`);
      const accepted = this.data.perform(target, body);
      return { body: body.fields, outcome: 'accepted', answer: { ...clientToken, timestamp, ...accepted } };
    } catch (error) {
      if (!(error instanceof JobsError)) throw error;
      const { code, message, executionState } = error;
      const state = executionState === undefined ? {} : { executionState };
      return { body: body?.fields, outcome: code, answer: { code, message, ...clientToken, timestamp, ...state } };
    }
  }

  private fill({ document, presign }: JobRecord): unknown {
    return fillDocument(document, ({ region, bucket, key }) => {
      const { account, now, s3Endpoint } = this.around;
      const expiresAtMs = now() + this.settings.signingSessionSeconds * 1000;
      const credentials = account.issueForPolicies({ policy: presign!.rolePolicy, variables: {}, expiresAtMs });
      const { expiresSeconds } = presign!;
      return presignUrl({ endpoint: s3Endpoint(), region, bucket, key, credentials, expiresSeconds, nowMs: now() });
    });
  }

  private note({
    topic,
    thing,
    operation,
    jobId,
    fault,
    ...performed
  }: Partial<JobsRequest> & Pick<JobsRequest, 'topic' | 'thing'>): void {
    const { body, outcome, answer } = performed;
    this.requests.push({ topic, thing, operation, jobId, body, outcome, answer, fault, atMs: Date.now() });
    if (this.requests.length > KEPT_REQUESTS) this.requests.shift();
  }
}
