import { fieldOf, listOf, textOf } from '../kube/json.ts'
import { parseAddress } from '../net/address.ts'
import { parseMac } from '../net/mac.ts'
import type { AddressConflict } from './parsed.ts'

/** As many as the schema takes. */
const mostWritten = 256

/** Which addresses other stations have, by the status of a pool. The controller wrote it; what is odd is left out. */
export function poolConflictsOf(object: unknown): readonly AddressConflict[] {
  return listOf(fieldOf(fieldOf(object, 'status'), 'conflicts')).flatMap(entry => {
    const address = parseAddress(textOf(fieldOf(entry, 'address')) ?? '')
    const mac = textOf(fieldOf(entry, 'macAddress')) ?? ''
    const seenAtMs = Date.parse(textOf(fieldOf(entry, 'lastSeen')) ?? '')
    if (!address || !parseMac(mac) || Number.isNaN(seenAtMs)) return []
    return [{ address, mac, interface: textOf(fieldOf(entry, 'interface')) ?? '', seenAtMs }]
  })
}

/** The ones to be written, the latest first. */
export function latestConflicts(conflicts: readonly AddressConflict[]): readonly AddressConflict[] {
  return conflicts.toSorted((one, other) => other.seenAtMs - one.seenAtMs).slice(0, mostWritten)
}
