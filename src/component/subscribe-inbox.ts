import type { Clock } from '../clock';
import type { Config } from '../config/schema';
import type { Inbox } from '../inbox/inbox';
import type { Log } from '../log';
import type { Bus } from '../messages/bus';
import { Subscriptions } from '../messages/subscriptions';

const SELF_TOPIC = 'courier/{thing}/self';
/** A message of a few bytes, there and back. */
const PROVE_EVERY_MS = 3_600_000;

/** What may be asked of us by message; what was asked while nobody heard is found by a look. Has not started. */
export function subscribeInbox(
  inbox: Inbox,
  bus: Bus,
  { thing, inbox: { pullTopic } }: Config,
  onBroken: (error: unknown) => void,
  edge: { readonly clock: Clock; readonly dice: () => number; readonly log: Log },
): { readonly subscriptions: Subscriptions; readonly unlisten: () => void } {
  const forThing = (topic: string): string => topic.replaceAll('{thing}', thing.name ?? '');
  const subscriptions = new Subscriptions({
    ...edge,
    bus,
    selfTopic: forThing(SELF_TOPIC),
    proveEveryMs: PROVE_EVERY_MS,
  });
  subscriptions.add(forThing(pullTopic), (_, payload) => {
    inbox.trigger(payload).catch(onBroken);
  });
  return { subscriptions, unlisten: bus.onConnected(() => inbox.look()) };
}
