import { ownServices } from '../../cli/status.ts'
import { shownAddresses } from '../../controller/request.ts'
import type { Service } from '../../kube/service.ts'
import type { IpFamily } from '../../net/address.ts'
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

/** Those that somebody else claims too. */
export const conflictsOf = oncePerScene((scene: Scene): readonly (Holding & { readonly family: IpFamily })[] =>
  (['IPv4', 'IPv6'] as const).flatMap(family =>
    holdingsOf(scene)[family].flatMap(holding => (holding.conflict === undefined ? [] : [{ ...holding, family }])),
  ),
)

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
  for (const { conditions } of services) {
    const said = conditions.find(({ type }) => type === announcedCondition)
    if (said?.reason === 'AddressInUse') return said.message
  }
  if (!ledger.place(address)) return undefined
  const holders = new Set(ledger.holdersOf(address).map(({ service }) => service as string))
  const others = services.filter(({ key }) => !holders.has(key)).map(({ key }) => key)
  if (others.length === 0) return undefined
  return `${others.join(', ')} ${others.length === 1 ? 'shows' : 'show'} it too, without the right to share it with ${[...holders].join(', ') || 'anybody'}`
}
