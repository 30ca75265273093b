/** A situation and what an alert makes of it; the series are samples at every half minute, in promtool's short form. */
export interface AlertCase {
  readonly alert: string
  readonly situation: string
  readonly series: Readonly<Record<string, string>>
  /** Undefined: it never does. */
  readonly fires?: Firing
}

/** When an alert fires, and what it says then. */
export interface Firing {
  /** It does so many minutes after the start, and did not half a minute before. */
  readonly afterMinutes: number
  /** Those of the series; the rule's own come on top. */
  readonly labels?: Readonly<Record<string, string>>
  readonly summary: string
  /** Where it depends on the series; else it is what stands in the rule. */
  readonly description?: string
}

/** So long everything stays as it is, in samples: `0${steady}`. */
export const steady = 'x120'
