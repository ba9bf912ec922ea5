const MAX_PROBLEMS = 20;

/** What one look through an outbox has found. */
export interface Look {
  files: number;
  held: number;
  claimed: number;
  oddCount: number;
  largestFolder: number;
  hiddenProcesses: number;
  untold: number;
  readonly odd: string[];
  readonly problems: string[];
  readonly oddNames: Set<string>;
}

export const newLook = (): Look => ({
  files: 0,
  held: 0,
  claimed: 0,
  oddCount: 0,
  largestFolder: 0,
  hiddenProcesses: 0,
  untold: 0,
  odd: [],
  problems: [],
  oddNames: new Set(),
});

/** Of a hundred thousand files with one trouble a person reads the first. */
export function tell(look: Look, problem: string): void {
  if (look.problems.length < MAX_PROBLEMS) look.problems.push(problem);
  else look.untold += 1;
}

/** As a person sees it. */
export const describeLook = ({ files, held, oddCount, odd, hiddenProcesses, problems, untold }: Look) => ({
  files,
  held,
  odd: { count: oddCount, examples: odd },
  hiddenProcesses,
  problems: untold === 0 ? problems : [...problems, `and ${untold} more like these`],
});
