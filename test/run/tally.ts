/** A test, or a check as a whole, that was not run, and why. */
export interface Skipped {
  readonly name: string
  readonly reason: string
}

/** What came out of a check or of a project's tests. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly Skipped[]
}

/** The outcome of a check that is one yes or no. */
export function verdict(ok: boolean): Outcome {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [] }
}

export function total(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    skipped: outcomes.flatMap(({ skipped }) => skipped),
  }
}

/** The last line of a run, which machines read as well. */
export function lastLine({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`
}

/** Every skipped test once, under the reason that it shares with others. */
export function skippedByReason(skipped: readonly Skipped[]): readonly string[] {
  const byReason = Map.groupBy(skipped, ({ reason }) => reason)
  return [...byReason].flatMap(([reason, tests]) => [`${reason}:`, ...tests.map(({ name }) => `  ${name}`)])
}

/** Nothing may fail, and where everything can be had (root on CI's machine) nothing may be left out. */
export function isGood(outcome: Outcome, { mustRunAll }: { readonly mustRunAll: boolean }): boolean {
  return outcome.failed === 0 && outcome.passed > 0 && !(mustRunAll && outcome.skipped.length > 0)
}
