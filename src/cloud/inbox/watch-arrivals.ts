import type { Bucket } from '../bucket/bucket';
import { CloudError } from '../cloud-error';
import { quoted } from '../files/local-files';
import { lookAgain } from '../look-again';
import type { Screen } from '../screen';
import { type Arrival, findArrival } from './find-arrival';
import type { SentFile } from './send-files';

export interface WatchOrder {
  readonly thing: string;
  readonly sent: readonly SentFile[];
  /** With `{thing}` in it. */
  readonly archivePrefix: string;
  readonly timeoutMs: number;
  /** As the operator has written it. */
  readonly timeout: string;
  readonly screen: Screen;
  readonly onArrival: (sent: SentFile, arrival: Arrival) => void;
}

/** Until each file has left the inbox, which the device empties when it has them. @throws CloudError when one has not arrived */
export async function watchArrivals(bucket: Bucket, order: WatchOrder, signal: AbortSignal): Promise<void> {
  const { thing, sent, screen, timeoutMs, onArrival } = order;
  const archivePrefix = order.archivePrefix.replaceAll('{thing}', thing);
  const waiting = new Set(sent);
  const problems: string[] = [];
  const look = async (): Promise<true | undefined> => {
    for (const one of waiting) {
      const arrival = await findArrival(bucket, one, archivePrefix);
      if (arrival === undefined) continue;
      waiting.delete(one);
      onArrival(one, arrival);
      if (arrival.state !== 'archived') problems.push(explain(thing, one, arrival.state));
    }
    const arrived = sent.length - waiting.size;
    screen.showProgress(arrived / sent.length, `${arrived} of ${sent.length} have come down to ${thing}`);
    return waiting.size === 0 ? true : undefined;
  };
  try {
    await lookAgain(look, timeoutMs, signal);
  } finally {
    screen.clear();
  }
  for (const { file } of waiting)
    problems.push(
      `${quoted(file.name)} still lies in the inbox of ${thing} after ${order.timeout}; it comes down when the device looks there next: see courier status on it, whether it is online, has inbox.dir, and may move objects to the archive`,
    );
  if (problems.length > 0) throw new CloudError(problems.join('\n'));
}

function explain(thing: string, { file }: SentFile, state: 'replaced' | 'gone'): string {
  const name = quoted(file.name);
  return state === 'replaced'
    ? `${name} was replaced in the inbox of ${thing} by somebody else, before it was in the archive; see who sends files of that name, and send it again`
    : `${name} has left the inbox of ${thing} and is not in the archive: somebody has removed it, or the device has another inbox.archivePrefix; see courier status on it`;
}
