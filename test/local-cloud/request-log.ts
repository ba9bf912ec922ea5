import { EventEmitter, once } from 'node:events';

export interface RequestRecord {
  operation: string;
  bucket: string | undefined;
  key: string | undefined;
  /** of a listing */
  prefix?: string | undefined;
  /** 0 when the socket was destroyed instead of answering */
  status: number;
  errorCode: string | undefined;
  /** bytes of the request's body that arrived */
  bytesIn: number;
  /** wall clock of this machine when the head arrived */
  atMs: number;
  /** the fault that hit it */
  fault: string | undefined;
}

const RING_SIZE = 20_000;

/** What was asked and answered; bounded, so that long runs may leave it on. Counters are always kept. */
export class RequestLog {
  readonly counters: Record<string, number> = {};
  private records: RequestRecord[] = [];
  private readonly events = new EventEmitter().setMaxListeners(0);

  constructor(private readonly recording: boolean) {}

  add(record: RequestRecord): void {
    this.counters[record.operation] = (this.counters[record.operation] ?? 0) + 1;
    if (this.recording) {
      this.records.push(record);
      if (this.records.length >= 2 * RING_SIZE) this.records = this.records.slice(-RING_SIZE);
    }
    this.events.emit('request', record);
  }

  list(): RequestRecord[] {
    return this.records.slice(-RING_SIZE);
  }

  clear(): void {
    this.records = [];
    for (const operation of Object.keys(this.counters)) delete this.counters[operation];
  }

  /** The next request that fits, answered after this call. */
  async next(fits: (record: RequestRecord) => boolean): Promise<RequestRecord> {
    for (;;) {
      const [record] = (await once(this.events, 'request')) as [RequestRecord];
      if (fits(record)) return record;
    }
  }
}
