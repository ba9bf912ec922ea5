import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { Inbox } from '../inbox/inbox';
import type { Log } from '../log';
import type { Bus } from '../messages/bus';
import { Subscriptions } from '../messages/subscriptions';
import type { JobsWay } from './build-jobs';

export interface Listeners {
  readonly inbox: Inbox | undefined;
  readonly jobs: JobsWay | undefined;
}

const SELF_TOPIC = 'courier/{thing}/self';
/** A message of a few bytes, there and back. */
const PROVE_EVERY_MS = 3_600_000;

/**
 * What may be asked of us by message; what was asked while nobody heard is found by a look. Jobs ask and are answered,
 * and need no topic of our own as a proof. Has not started.
 */
export function buildSubscriptions(
  { inbox, jobs }: Listeners,
  bus: Bus,
  { thing, inbox: { pullTopic } }: Config,
  onBroken: (error: unknown) => void,
  edge: { readonly clock: Clock; readonly dice: () => number; readonly log: Log },
): { readonly subscriptions: Subscriptions; readonly unlisten: () => void } {
  const forThing = (topic: string): string => topic.replaceAll('{thing}', thing.name ?? '');
  const subscriptions = new Subscriptions({
    ...edge,
    bus,
    selfTopic: inbox === undefined ? undefined : forThing(SELF_TOPIC),
    proveEveryMs: PROVE_EVERY_MS,
    onSettled: () => jobs?.jobs.listening(),
  });
  if (inbox !== undefined)
    subscriptions.add(forThing(pullTopic), (_, payload) => {
      inbox.trigger(payload).catch(onBroken);
    });
  for (const topic of jobs?.topics ?? [])
    subscriptions.add(topic, (name, payload) => jobs!.jobs.message(name, payload));
  return { subscriptions, unlisten: bus.onConnected(() => inbox?.look()) };
}
