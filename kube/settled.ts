import type { Condition } from './service.ts'

/*
 * Whether the addresses of a Service are settled: announced once, and so in use as far as anybody can know, and never
 * changed any more. The condition berth.dev/Settled says it of each address that came from a pool with avoidConflicts.
 *
 *   controller gives it        speaker asks the segment first      speaker announces it
 *   ───────────────── untried ─────────────────────────────→ inUse ────────────────────→ announced, for good
 *                                                              └→ the controller replaces it
 *
 * It stands in the Service's status because the one who reports and the one who replaces then write the same object: a
 * replacement that knows nothing of the announcement is refused by its resourceVersion. Of an address without an entry
 * nothing is known, and it is left alone.
 */

/** The type of the condition. */
export const settledCondition = 'berth.dev/Settled'

/** What is known of one address, given as canonical text. */
export type Standing =
  | { readonly kind: 'untried'; readonly address: string }
  /** Another station has it, that is no node of this cluster. */
  | { readonly kind: 'inUse'; readonly address: string; readonly mac: string; readonly interface: string }
  | { readonly kind: 'announced'; readonly address: string }

export type SettledCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>

/** What the condition says; empty where there is none. An entry that cannot be read is left out. */
export function standingsOf(conditions: readonly Condition[]): readonly Standing[] {
  const message = conditions.find(({ type }) => type === settledCondition)?.message
  return message === undefined ? [] : message.split(separator).flatMap(parseStanding)
}

/** The condition that says this; undefined where there is nothing to say. */
export function settledConditionOf(standings: readonly Standing[]): SettledCondition | undefined {
  if (standings.length === 0) return undefined
  const has = (kind: Standing['kind']): boolean => standings.some(one => one.kind === kind)
  const message = standings.map(formatStanding).join(separator)
  if (has('inUse')) return { type: settledCondition, status: 'False', reason: 'AddressInUse', message }
  if (has('untried')) return { type: settledCondition, status: 'Unknown', reason: 'NotAnnouncedYet', message }
  return { type: settledCondition, status: 'True', reason: 'Announced', message }
}

const separator = '; '

function formatStanding(standing: Standing): string {
  switch (standing.kind) {
    case 'untried':
      return `${standing.address} has not been announced yet`
    case 'inUse':
      return `${standing.address} is in use by ${standing.mac} on ${standing.interface}`
    case 'announced':
      return `${standing.address} has been announced`
  }
}

const form =
  /^(?<address>[0-9a-f:.]+) (?:(?<untried>has not been announced yet)|has been announced|is in use by (?<mac>[0-9a-f:]{17}) on (?<on>\S+))$/

function parseStanding(text: string): readonly Standing[] {
  const { address, untried, mac, on } = form.exec(text)?.groups ?? {}
  if (address === undefined) return []
  if (untried !== undefined) return [{ kind: 'untried', address }]
  if (mac === undefined || on === undefined) return [{ kind: 'announced', address }]
  return [{ kind: 'inUse', address, mac, interface: on }]
}

/**
 * What is known once a speaker has looked. What has been announced stays so, whoever has the address besides; and what nobody
 * asked about is not spoken of.
 */
export function afterLooking(
  standings: readonly Standing[],
  seen: {
    readonly announced: readonly string[]
    readonly inUse: readonly Pick<Standing & { readonly kind: 'inUse' }, 'address' | 'mac' | 'interface'>[]
  },
): readonly Standing[] {
  return standings.map(standing => {
    const { kind, address } = standing
    if (kind === 'announced') return standing
    if (seen.announced.includes(address)) return { kind: 'announced', address }
    const other = seen.inUse.find(one => one.address === address)
    return other ? { kind: 'inUse', address, mac: other.mac, interface: other.interface } : standing
  })
}
