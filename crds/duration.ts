const nanosecondsPerUnit: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const term = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/y

/** Nanoseconds of a duration as Kubernetes writes them (`90s`, `1m30s`, `1.5h`), or undefined where the text is none. */
export function parseDuration(text: string): number | undefined {
  let nanoseconds = 0
  term.lastIndex = 0
  while (term.lastIndex < text.length) {
    const found = term.exec(text)
    if (!found) return text === '0' ? 0 : undefined
    nanoseconds += Math.round(Number(found[1]) * (nanosecondsPerUnit[found[2] ?? ''] ?? Number.NaN))
  }
  return text === '' ? undefined : nanoseconds
}
