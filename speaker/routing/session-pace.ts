/*
 * When a session's status is written. Every speaker watches the records of all, so a write costs a message to every node:
 * what people and other speakers wait for goes at once, what only counts goes now and then, and a router that is dead for
 * a week costs one write a minute, although it is dialled every ten seconds.
 */

export type SessionStatusFields = Readonly<Record<string, unknown>>

/** How soon a change is to be seen. */
export type Pace = 'now' | 'soon' | 'later'

/** What is agreed on with a session, and stays as long as it does. */
const agreed = [
  'remote',
  'localAddress',
  'localASN',
  'peerASN',
  'peerRouterID',
  'initiator',
  'holdTimeSeconds',
  'addressFamilies',
  'capabilities',
  'gracefulRestartSeconds',
  'problem',
]
const counted = ['prefixesSent', 'prefixesReceived', 'updatesWithErrors', 'established', 'lastError']
const errors = ['lastErrorSent', 'lastErrorReceived', 'lastErrorTransport']

/** How soon `after` should replace `before`, which was written last; undefined = they say the same. */
export function paceOf(before: SessionStatusFields | undefined, after: SessionStatusFields): Pace | undefined {
  if (!before || urgentPart(before) !== urgentPart(after)) return 'now'
  if (countedPart(before) !== countedPart(after)) return 'soon'
  return JSON.stringify(before) === JSON.stringify(after) ? undefined : 'later'
}

function urgentPart(status: SessionStatusFields): string {
  const stands = status['state'] === 'Established'
  return JSON.stringify([
    stands && status['since'],
    status['bfdState'] === undefined ? undefined : status['bfdState'] === 'Up',
    agreed.map(field => status[field]),
  ])
}

function countedPart(status: SessionStatusFields): string {
  const texts = errors.map(field => (status[field] as { readonly text?: string } | undefined)?.text)
  return JSON.stringify([counted.map(field => status[field]), texts])
}

const coalesceMs = 100
const urgentEveryMs = 1_000
const countersEveryMs = 10_000
/** In the whole cluster no more than five counters a second are written, however many sessions there are. */
const perRecordMs = 200
const laterFactor = 6

/** In how many milliseconds the change is to be written. `sinceWrittenMs` is Infinity where nothing was. */
export function delayMs(pace: Pace, sinceWrittenMs: number, records: number): number {
  return Math.max(coalesceMs, pauseMs(pace, records) - sinceWrittenMs)
}

function pauseMs(pace: Pace, records: number): number {
  const countersMs = Math.max(countersEveryMs, perRecordMs * records)
  switch (pace) {
    case 'now':
      return urgentEveryMs
    case 'soon':
      return countersMs
    case 'later':
      return laterFactor * countersMs
  }
}
