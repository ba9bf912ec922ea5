import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExecutionRecord, isPending, type JobRecord } from './records';

interface State {
  jobs: JobRecord[];
  /** in order of creation */
  executions: ExecutionRecord[];
}

/** Jobs and their executions; one JSON file, replaced whole at each change. */
export class JobStore {
  private constructor(
    private readonly file: string,
    private readonly state: State,
  ) {}

  static open(dir: string): JobStore {
    const file = join(dir, 'jobs.json');
    const state = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as State) : { jobs: [], executions: [] };
    return new JobStore(file, state);
  }

  get executions(): readonly ExecutionRecord[] {
    return this.state.executions;
  }

  findJob(jobId: string): JobRecord | undefined {
    return this.state.jobs.find((job) => job.jobId === jobId);
  }

  find(jobId: string, thing: string): ExecutionRecord | undefined {
    return this.state.executions.find((each) => each.jobId === jobId && each.thing === thing);
  }

  ofJob(jobId: string): ExecutionRecord[] {
    return this.state.executions.filter((each) => each.jobId === jobId);
  }

  /** The next one first: what is in progress before what is queued, the older before the newer. */
  pendingOf(thing: string): ExecutionRecord[] {
    const pending = this.state.executions.filter((each) => each.thing === thing && isPending(each));
    return [
      ...pending.filter(({ status }) => status === 'IN_PROGRESS'),
      ...pending.filter(({ status }) => status === 'QUEUED'),
    ];
  }

  add(job: JobRecord, executions: readonly ExecutionRecord[]): void {
    this.state.jobs.push(job);
    this.state.executions.push(...executions);
    this.save();
  }

  remove(jobId: string): void {
    this.state.jobs = this.state.jobs.filter((job) => job.jobId !== jobId);
    this.state.executions = this.state.executions.filter((each) => each.jobId !== jobId);
    this.save();
  }

  removeExecution(gone: ExecutionRecord): void {
    this.state.executions = this.state.executions.filter((each) => each !== gone);
    this.save();
  }

  /** After records have been changed in place. */
  save(): void {
    const temporary = `${this.file}.tmp`;
    writeFileSync(temporary, JSON.stringify(this.state));
    renameSync(temporary, this.file);
  }
}
