import { ownServices } from '../../cli/status.ts'
import { includesAddress } from '../../controller/keep.ts'
import { shownAddresses } from '../../controller/request.ts'
import type { Condition, Service } from '../../kube/service.ts'
import { formatAddress, type IpFamily } from '../../net/address.ts'
import type { AddressRange } from '../../net/range.ts'
import { announcedCondition } from '../../speaker/condition.ts'
import { oncePerScene, type Scene } from './scene.ts'

/** An address in use. */
export interface Holding {
  readonly value: bigint
  /** Keys of the Services that show it. */
  readonly services: readonly string[]
  /** Who else claims it, in words; undefined = nobody. */
  readonly conflict: string | undefined
}

/** What is in use of each family, in ascending order. */
export const holdingsOf = oncePerScene((scene: Scene): Readonly<Record<IpFamily, readonly Holding[]>> => {
  const { picture } = scene
  const found = { IPv4: new Map<bigint, Service[]>(), IPv6: new Map<bigint, Service[]>() }
  for (const service of ownServices(picture)) {
    for (const { family, value } of shownAddresses(service)) {
      const present = found[family].get(value)
      if (present) present.push(service)
      else found[family].set(value, [service])
    }
  }
  const sorted = (family: IpFamily): readonly Holding[] =>
    [...found[family]]
      .map(([value, services]) => ({
        value,
        services: services.map(({ key }) => key),
        conflict: conflictOf(scene, { family, value }, services),
      }))
      .sort((one, other) => (one.value < other.value ? -1 : 1))
  return { IPv4: sorted('IPv4'), IPv6: sorted('IPv6') }
})

/** How many of them somebody else claims too. They are few, so the others are neither collected nor sorted for it. */
export function countConflicts(scene: Scene): number {
  const { ledger } = scene.picture
  const found = new Set<string>()
  for (const service of ownServices(scene.picture)) {
    const granted = ledger.grantOf(service.key)?.addresses ?? []
    const isInUse = announcedOf(service)?.reason === 'AddressInUse'
    for (const address of shownAddresses(service)) {
      if (!isInUse && includesAddress(granted, address)) continue
      if (conflictOf(scene, address, [service]) !== undefined) found.add(formatAddress(address))
    }
  }
  return found.size
}

function announcedOf({ conditions }: Service): Condition | undefined {
  return conditions.find(({ type }) => type === announcedCondition)
}

/** The part of a sorted list that lies in the range, by its indices: from the first to before the second. */
export function within(holdings: readonly Holding[], { first, last }: AddressRange): readonly [number, number] {
  return [countBelow(holdings, first), countBelow(holdings, last + 1n)]
}

function countBelow(holdings: readonly Holding[], limit: bigint): number {
  let low = 0
  let high = holdings.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((holdings[middle]?.value ?? limit) < limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Another station on the segment answers for it, or two Services show it that have no right to share. */
function conflictOf(
  { picture: { ledger } }: Scene,
  address: { readonly family: IpFamily; readonly value: bigint },
  services: readonly Service[],
): string | undefined {
  for (const service of services) {
    const said = announcedOf(service)
    if (said?.reason === 'AddressInUse') return said.message
  }
  const holding = ledger.holdersOf(address)
  const others = services.filter(({ key }) => !holding.some(({ service }) => service === key)).map(({ key }) => key)
  if (others.length === 0 || !ledger.place(address)) return undefined
  const holders = holding.map(({ service }) => service)
  return `${others.join(', ')} ${others.length === 1 ? 'shows' : 'show'} it too, without the right to share it with ${holders.join(', ') || 'anybody'}`
}
