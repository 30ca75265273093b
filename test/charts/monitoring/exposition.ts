/** One value of /metrics. */
export interface Exposed {
  readonly metric: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What a page in Prometheus' text format says: its values, and all metrics by their type, also those without a value. */
export interface Exposition {
  readonly samples: readonly Exposed[]
  readonly types: ReadonlyMap<string, string>
}

const sample = /^(\w+)(?:\{(.*)\})? (\S+)$/
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g

export function parseExposition(text: string): Exposition {
  const samples: Exposed[] = []
  const types = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, of = '', type = ''] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? []
    if (of) types.set(of, type)
    if (line === '' || line.startsWith('#')) continue
    const found = sample.exec(line)
    if (!found) throw new Error(`not in Prometheus' text format: ${line}`)
    const [, metric = '', labels = '', value = ''] = found
    samples.push({
      metric,
      labels: Object.fromEntries(Array.from(labels.matchAll(label), ([, name = '', text = '']) => [name, text])),
      value: Number(value.replace('Inf', 'Infinity')),
    })
  }
  return { samples, types }
}
