import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/*
 * Which metrics and labels an expression of PromQL goes by, and which there are. It is read by its tokens, not by its
 * grammar: whether it is PromQL at all is promtool's to say.
 */

/** What Prometheus adds to each sample, as the chart's PodMonitors have it. */
export const targetLabels = ['instance', 'job'] as const

/** A metric that an expression names, and the labels by which it selects. */
export interface Selector {
  readonly metric: string
  readonly labels: readonly string[]
}

/** What an expression goes by. */
export interface Named {
  readonly selectors: readonly Selector[]
  /** The labels of `by`, `on`, `without`, `ignoring` and `group_left`. */
  readonly grouping: readonly string[]
}

const selector = /\b((?:berth|process|nodejs)_\w+)\b(?:\{([^}]*)\})?/g
const grouping = /\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g

export function namedIn(expression: string): Named {
  return {
    selectors: Array.from(expression.matchAll(selector), ([, metric = '', matchers = '']) => ({
      metric,
      labels: Array.from(matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g), ([, label = '']) => label),
    })),
    grouping: Array.from(expression.matchAll(grouping), ([, labels = '']) => labels)
      .flatMap(labels => labels.split(','))
      .map(label => label.trim())
      .filter(label => label !== ''),
  }
}

/** What docs/metrics.md says that there is: metrics and their labels. Its own test holds it to the programs. */
export function documentedMetrics(): ReadonlyMap<string, readonly string[]> {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')
  const rows = text.matchAll(/^\| `(berth_\w+)` \| (?:gauge|counter) \| (.*?) \| /gm)
  const metrics = new Map<string, readonly string[]>()
  for (const [, name = '', labels = ''] of rows) {
    // Both programs have some, with the same labels.
    metrics.set(
      name,
      Array.from(labels.matchAll(/`(\w+)`/g), ([, label = '']) => label),
    )
  }
  for (const [, name = ''] of text.matchAll(/`((?:process|nodejs)_\w+)`/g)) metrics.set(name, [])
  return metrics
}

/** What an expression names and docs/metrics.md does not have, in words; `moreLabels` are those that others than metrics have. */
export function unknownIn(
  expression: string,
  metrics: ReadonlyMap<string, readonly string[]>,
  moreLabels: readonly string[] = [],
): readonly string[] {
  const { selectors, grouping } = namedIn(expression)
  if (selectors.length === 0) return ['no metric at all']
  const problems: string[] = []
  const seen = new Set<string>([...targetLabels, ...moreLabels])
  for (const { metric, labels } of selectors) {
    const has = metrics.get(metric)
    if (!has) problems.push(`no metric ${metric}`)
    const known = new Set<string>([...targetLabels, ...(has ?? [])])
    for (const label of labels) if (!known.has(label)) problems.push(`${metric} has no label ${label}`)
    for (const label of known) seen.add(label)
  }
  for (const label of grouping) if (!seen.has(label)) problems.push(`nothing has the label ${label}`)
  return problems
}
