/**
 * The whole life of one job execution on the device. The same words are the CHECK constraint of its table.
 * - running: the cloud knows that we are at it; files come, or go.
 * - landing: all of it is here, verified and on disk; files get their names, one after the other, whatever happens.
 * - reporting: it has ended here, the cloud is not yet known to have heard so.
 * - over: nothing is left to do, unless the cloud asks for it once more.
 */
export const TRANSITIONS = {
  running: { stage: 'landing', end: 'reporting', abandon: 'over' },
  landing: { end: 'reporting', miss: 'running', abandon: 'over' },
  reporting: { accept: 'over', abandon: 'over' },
  over: { reopen: 'reporting', again: 'running' },
} as const satisfies Record<string, Record<string, string>>;

export type JobState = keyof typeof TRANSITIONS;

export type JobEvent = { [State in JobState]: keyof (typeof TRANSITIONS)[State] }[JobState];

/** How a job may end by our word, as AWS IoT spells it. */
export const ENDS = ['SUCCEEDED', 'FAILED', 'REJECTED'] as const;
export type JobEnd = (typeof ENDS)[number];
