import { fieldOf, numberOf, textOf } from '../kube/json.ts'
import { parseSessionRecord, type SessionRecord } from '../speaker/routing/session-record.ts'

/** A BGPSessionStatus with all of it that people want to see. */
export interface Session extends SessionRecord {
  readonly peerASN: number | undefined
  readonly localAddress: string | undefined
  readonly bfd: string | undefined
  /** As both ends agreed on it; undefined without a session. */
  readonly holdTimeSeconds: number | undefined
  /** How long the router keeps routes of a node that is away; undefined where nothing was agreed on. */
  readonly gracefulRestartSeconds: number | undefined
  readonly since: string | undefined
  /** How often it was established. */
  readonly established: number
  readonly sent: number
  readonly received: number
  readonly lastError: string | undefined
}

/** The BGPSessionStatus that an object is, or undefined where it is none. Never throws. */
export function parseSession(object: unknown): Session | undefined {
  const record = parseSessionRecord(object)
  if (!record) return undefined
  const status = fieldOf(object, 'status')
  const total = (field: string): number => numberOf(fieldOf(fieldOf(status, field), 'total')) ?? 0
  return {
    ...record,
    peerASN: numberOf(fieldOf(status, 'peerASN')),
    localAddress: textOf(fieldOf(status, 'localAddress')),
    bfd: textOf(fieldOf(status, 'bfdState')),
    holdTimeSeconds: numberOf(fieldOf(status, 'holdTimeSeconds')),
    gracefulRestartSeconds: numberOf(fieldOf(status, 'gracefulRestartSeconds')),
    since: textOf(fieldOf(status, 'since')),
    established: numberOf(fieldOf(status, 'established')) ?? 0,
    sent: total('prefixesSent'),
    received: total('prefixesReceived'),
    lastError: textOf(fieldOf(status, 'lastError')),
  }
}
