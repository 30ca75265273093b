import type { SpeakerHealth } from './status.ts'

/*
 * What a metric is here: a name and a way to read its values off the speaker when somebody asks.
 */

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

export interface Metric {
  readonly name: string
  /** As docs/metrics.md has it too. */
  readonly help: string
  readonly labels: readonly string[]
  readonly kind: 'gauge' | 'counter'
  readonly read: (health: SpeakerHealth) => readonly Sample[]
}

/** A sample per reason. */
export function byReason(
  labels: Readonly<Record<string, string>>,
  counts: Readonly<Record<string, number>>,
): readonly Sample[] {
  return Object.entries(counts).map(([reason, count]) => [{ ...labels, reason }, count])
}
