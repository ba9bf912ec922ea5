import { type EventEmitter, once } from 'node:events';

/** A stream's next event; to be taken before what causes it. */
export async function nextEvent<Event>(stream: EventEmitter): Promise<Event> {
  const [event] = (await once(stream, 'message')) as [Event];
  return event;
}
