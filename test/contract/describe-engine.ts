import type { EngineKind } from '../engines/engine';
import { ContractRun } from './contract-run';

export type Contract = (run: ContractRun) => void;

/**
 * Contracts against one engine, started once. An engine that is not installed shows as skipped tests and says why;
 * `.ci/run` compares with `test/engines/installed.ts`, so that a suite is not skipped where it could run.
 */
export function describeEngine(kind: EngineKind, contracts: readonly Contract[]): void {
  const run = new ContractRun(kind);
  const missing = kind.findMissing();
  if (missing !== undefined) {
    process.stderr.write(`${kind.name} skipped: ${missing}\n`);
    describe.skip(`${kind.name} (skipped: ${missing})`, () => {
      for (const contract of contracts) contract(run);
    });
    return;
  }
  describe(kind.name, () => {
    beforeAll(() => run.start());
    afterAll(() => run.stop());
    for (const contract of contracts) contract(run);
    test('the list of deviations has none that no test asserts', () => {
      expect(run.findUnasserted()).toEqual([]);
    });
  });
}
