import type { IPAddressPool } from '../crds/config.ts'
import type { AddressConflict } from '../crds/parsed.ts'
import type { ServiceKey, ServicePort } from '../kube/service.ts'
import { type Address, type IpFamily } from '../net/address.ts'
import { createPoolMap, type Place, type PoolMap } from './pool-space.ts'
import { type Holder, mayShare, type SharingClaim } from './sharing.ts'

/** What one Service holds. */
export interface Grant extends Holder {
  readonly uid: string
  readonly pool: string
  /** One, or one of each family with the primary first. */
  readonly addresses: readonly Address[]
  /** Whether the addresses have stood in the Service's status, so that clients may know them. */
  readonly published: boolean
}

/** A Service in line for an address: oldest first, by creation and then by UID. */
export interface Waiter {
  readonly service: ServiceKey
  readonly creationTimestampMs: number
  readonly uid: string
  /** Where a freed address, or one that becomes shareable, could help. */
  readonly lines: readonly WaitingLine[]
}

/** The Services that wait for an address of one family in one pool. */
export interface WaitingLine {
  readonly pool: string
  readonly family: IpFamily
}

/** Who holds what and who waits, as decisions read it. */
export interface LedgerView {
  grantOf(service: ServiceKey): Grant | undefined
  /** Everyone who stands on the address: several only with the right to share it. */
  holdersOf(address: Address): readonly Grant[]
  /** The pool and number of an address that some pool may hand out. */
  place(address: Address): Place | undefined
  /** The first address of the pool, in its order of use, that nobody holds or whose holders share with the claim. */
  lowestAvailable(pool: string, family: IpFamily, claim: SharingClaim): Address | undefined
  /** How many addresses of the pool can be handed out, and how many of them are; undefined where it has none of the family. */
  usage(pool: string, family: IpFamily): PoolUsage | undefined
  /** That another station has the address, as far as is remembered. */
  conflictAt(address: Address): AddressConflict | undefined
  /** What is remembered of the addresses of a pool that nobody holds; undefined where the pool hands out what others have. */
  conflictsIn(pool: string): readonly AddressConflict[] | undefined
  /** How many addresses of the pool one station has, as far as is remembered. */
  countOf(mac: string, pool: string): number
  waiterOf(service: ServiceKey): Waiter | undefined
}

/** The addresses of one family of a pool, counted. */
export interface PoolUsage {
  readonly size: bigint
  readonly inUse: bigint
  /** Given to nobody, since another station has them. */
  readonly conflicting: bigint
}

export interface Ledger extends LedgerView {
  /** Another station has the address: where its pool looks for that (avoidConflicts), it is given to nobody who does not ask for it. */
  avoid(conflict: AddressConflict): void
  /** The address may be tried again. */
  retry(address: Address): void
  readonly conflicts: Iterable<AddressConflict>
  /** Replaces what the Service held. */
  hold(grant: Grant): void
  release(service: ServiceKey): void
  wait(waiter: Waiter): void
  stopWaiting(service: ServiceKey): void
  /** Who waits in the line, oldest first. */
  waitersFor(line: WaitingLine): readonly ServiceKey[]
  /** Takes over an edited set of pools; grants stay as they are until a plan says otherwise. */
  setPools(pools: readonly IPAddressPool[]): void
  readonly grants: ReadonlyMap<ServiceKey, Grant>
  /** How many Services wait, for a pool or for something else to change. */
  readonly waiting: number
}

/** The addresses held by Services that could share with each other, ports permitting. */
interface SharingGroup {
  readonly addresses: Map<bigint, Address>
  /** On how many of the addresses each port is taken. */
  readonly portUse: Map<string, number>
}

export function createLedger(pools: readonly IPAddressPool[] = []): Ledger {
  const grants = new Map<ServiceKey, Grant>()
  const holders: Readonly<Record<IpFamily, Map<bigint, Grant[]>>> = { IPv4: new Map(), IPv6: new Map() }
  const groups = new Map<string, SharingGroup>()
  const waiters = new Map<ServiceKey, Waiter>()
  const lines = new Map<string, Waiter[]>()
  const conflicts: Readonly<Record<IpFamily, Map<bigint, AddressConflict>>> = { IPv4: new Map(), IPv6: new Map() }
  let map: PoolMap = createPoolMap(pools)

  function place(address: Address): Place | undefined {
    return map.place(address)
  }

  function holdersOf(address: Address): readonly Grant[] {
    return holders[address.family].get(address.value) ?? []
  }

  function hold(grant: Grant): void {
    release(grant.service)
    grants.set(grant.service, grant)
    for (const address of grant.addresses) {
      const present = holders[address.family].get(address.value)
      if (present) present.push(grant)
      else {
        holders[address.family].set(address.value, [grant])
        const at = place(address)
        at?.space.used.add(at.number)
        at?.space.conflicting.delete(at.number)
      }
      joinGroup(grant.claim, address)
    }
  }

  function release(service: ServiceKey): void {
    const grant = grants.get(service)
    if (!grant) return
    grants.delete(service)
    for (const address of grant.addresses) {
      const rest = holdersOf(address).filter(holder => holder.service !== service)
      if (rest.length > 0) holders[address.family].set(address.value, rest)
      else {
        holders[address.family].delete(address.value)
        const at = place(address)
        if (at && isAvoided(address, at)) at.space.conflicting.add(at.number)
        else at?.space.used.delete(at.number)
      }
      leaveGroup(grant.claim, address, rest.length === 0)
    }
  }

  /** Whether nobody gets the address for another station's sake. */
  function isAvoided(address: Address, at: Place | undefined): boolean {
    return at?.space.pool.avoidConflicts === true && conflicts[address.family].has(address.value)
  }

  /** Takes an address that nobody holds out of what is free. */
  function setAside(address: Address): void {
    const at = place(address)
    if (!at || !isAvoided(address, at) || holdersOf(address).length > 0) return
    at.space.used.add(at.number)
    at.space.conflicting.add(at.number)
  }

  function allConflicts(): AddressConflict[] {
    return [...conflicts.IPv4.values(), ...conflicts.IPv6.values()]
  }

  function joinGroup(claim: SharingClaim, address: Address): void {
    if (!claim.key) return
    const name = groupName(claim, address.family)
    let group = groups.get(name)
    if (!group) groups.set(name, (group = { addresses: new Map(), portUse: new Map() }))
    group.addresses.set(address.value, address)
    for (const port of claim.ports) {
      const text = portText(port)
      group.portUse.set(text, (group.portUse.get(text) ?? 0) + 1)
    }
  }

  function leaveGroup(claim: SharingClaim, address: Address, wasLast: boolean): void {
    if (!claim.key) return
    const name = groupName(claim, address.family)
    const group = groups.get(name)
    if (!group) return
    if (wasLast) group.addresses.delete(address.value)
    if (group.addresses.size === 0) groups.delete(name)
    for (const port of claim.ports) {
      const text = portText(port)
      const left = (group.portUse.get(text) ?? 1) - 1
      if (left > 0) group.portUse.set(text, left)
      else group.portUse.delete(text)
    }
  }

  function lowestAvailable(pool: string, family: IpFamily, claim: SharingClaim): Address | undefined {
    const space = map.space(pool, family)
    if (!space) return undefined
    const free = space.used.lowestAbsent()
    const shared = lowestShareable(pool, family, claim, free)
    if (shared !== undefined) return space.addressAt(shared)
    return free < space.size ? space.addressAt(free) : undefined
  }

  /** The lowest number below `limit` whose holders all let the claim in. Looks only at addresses held under the same key. */
  function lowestShareable(pool: string, family: IpFamily, claim: SharingClaim, limit: bigint): bigint | undefined {
    if (!claim.key) return undefined
    const group = groups.get(groupName(claim, family))
    if (!group) return undefined
    // Where a port is taken on every address of the group there is nothing to look for: the usual case of one key for all.
    if (claim.ports.some(port => group.portUse.get(portText(port)) === group.addresses.size)) return undefined
    let lowest: bigint | undefined
    for (const address of group.addresses.values()) {
      const at = place(address)
      if (!at || at.space.pool.name !== pool || at.number >= (lowest ?? limit) || isAvoided(address, at)) continue
      if (holdersOf(address).every(holder => mayShare(claim, holder.claim))) lowest = at.number
    }
    return lowest
  }

  function stopWaiting(service: ServiceKey): void {
    const waiter = waiters.get(service)
    if (!waiter) return
    waiters.delete(service)
    for (const { pool, family } of waiter.lines) {
      const name = `${pool} ${family}`
      const line = lines.get(name) ?? []
      const at = lineIndex(line, waiter)
      if (line[at]?.service === service) line.splice(at, 1)
      if (line.length === 0) lines.delete(name)
    }
  }

  function wait(waiter: Waiter): void {
    stopWaiting(waiter.service)
    waiters.set(waiter.service, waiter)
    for (const { pool, family } of waiter.lines) {
      const name = `${pool} ${family}`
      const line = lines.get(name)
      if (line) line.splice(lineIndex(line, waiter), 0, waiter)
      else lines.set(name, [waiter])
    }
  }

  return {
    grants,
    grantOf: service => grants.get(service),
    holdersOf,
    place,
    lowestAvailable,
    usage(pool, family) {
      const space = map.space(pool, family)
      if (!space) return undefined
      const conflicting = space.conflicting.count
      return { size: space.size, inUse: space.used.count - conflicting, conflicting }
    },
    conflictAt: ({ family, value }) => conflicts[family].get(value),
    conflictsIn(pool) {
      const isOf = ({ address }: AddressConflict): boolean => {
        const at = place(address)
        return at?.space.pool.name === pool && at.space.conflicting.has(at.number)
      }
      const avoids = map.spaces.some(space => space.pool.name === pool && space.pool.avoidConflicts)
      return avoids ? allConflicts().filter(isOf) : undefined
    },
    countOf: (mac, pool) =>
      allConflicts().filter(one => one.mac === mac && place(one.address)?.space.pool.name === pool).length,
    get conflicts() {
      return allConflicts()
    },
    avoid(conflict) {
      const { address } = conflict
      conflicts[address.family].set(address.value, conflict)
      setAside(address)
    },
    retry(address) {
      const at = place(address)
      if (at?.space.conflicting.delete(at.number)) at.space.used.delete(at.number)
      conflicts[address.family].delete(address.value)
    },
    get waiting() {
      return waiters.size
    },
    hold,
    release,
    wait,
    stopWaiting,
    waiterOf: service => waiters.get(service),
    waitersFor: ({ pool, family }) => (lines.get(`${pool} ${family}`) ?? []).map(waiter => waiter.service),
    setPools(edited) {
      map = createPoolMap(edited)
      for (const grant of grants.values()) {
        for (const address of grant.addresses) {
          const at = place(address)
          at?.space.used.add(at.number)
        }
      }
      for (const { address } of allConflicts()) setAside(address)
    },
  }
}

function groupName(claim: SharingClaim, family: IpFamily): string {
  return `${family}\n${claim.backends}\n${claim.key}`
}

function portText(port: ServicePort): string {
  return `${port.protocol}/${port.port}`
}

/** Where a waiter stands or would stand in a line that is sorted by age. */
function lineIndex(line: readonly Waiter[], waiter: Waiter): number {
  let low = 0
  let high = line.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = line[middle]
    if (other && compareAge(other, waiter) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Older first: by creation, then by UID, so that every run and every replica has the same order. */
export function compareAge(
  one: { readonly creationTimestampMs: number; readonly uid: string },
  other: { readonly creationTimestampMs: number; readonly uid: string },
): number {
  return one.creationTimestampMs - other.creationTimestampMs || (one.uid < other.uid ? -1 : one.uid > other.uid ? 1 : 0)
}
