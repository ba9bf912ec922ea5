/** The whole life of one inbound object. The same words are the CHECK constraint of its table. */
export const TRANSITIONS = {
  wanted: { begin: 'fetching', skip: 'done', supersede: 'superseded', fail: 'failed' },
  fetching: { verify: 'landing', supersede: 'superseded', fail: 'failed' },
  landing: { land: 'landed', landToArchive: 'archiving', skip: 'done', refetch: 'fetching', fail: 'failed' },
  landed: { keep: 'done', archive: 'archiving' },
  archiving: { copied: 'archived', rename: 'landed', keep: 'done' },
  archived: { remove: 'done', keep: 'done' },
  failed: {},
  superseded: {},
  done: {},
} as const satisfies Record<string, Record<string, string>>;

export type InboundState = keyof typeof TRANSITIONS;

export type InboundEvent = { [State in InboundState]: keyof (typeof TRANSITIONS)[State] }[InboundState];

export const ENDED: readonly InboundState[] = ['failed', 'superseded', 'done'];
