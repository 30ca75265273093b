import { formatAddress } from '../net/address.ts'
import type { Announcer } from './announcer.ts'
import type { Verdict } from './layer2/election.ts'
import type { Group } from './layer2/groups.ts'
import type { Member } from './layer2/membership.ts'
import { fromTheDead, recordKey } from './layer2/record.ts'
import { type Assumptions, assume, type Caution, cautionOf, electOwners, settleAssumptions } from './layer2/takeover.ts'
import { claimOf, type Records, type SpeakerAction } from './situation.ts'

/*
 * What goes with taking an address over: how carefully the wire thread begins, whether the right to it may be written down
 * yet, and what this node has taken over from one that is gone while the API server cannot be told.
 */

export interface Precautions {
  /** Who is to have each group; what we have taken over is ours. */
  elect(groups: ReadonlyMap<string, Group>, alive: ReadonlyMap<string, Member>): ReadonlyMap<string, Verdict>
  cautionFor(group: Group | undefined, alive: ReadonlyMap<string, Member>): Caution
  /** After a plan: tells the wire thread what has changed for what it waits with, and remembers what was taken over. */
  lookAfter(won: readonly Group[], alive: ReadonlyMap<string, Member>): void
  /** What is taken over from one that is gone becomes ours once the segment has confirmed it. */
  mayClaim(action: SpeakerAction & { readonly kind: 'claim' }): boolean
}

export function createPrecautions(options: {
  readonly self: string
  readonly records: Records
  readonly announcer: Announcer
  /** The members by their Leases, be they lost or not. */
  readonly byLease: () => ReadonlyMap<string, Member>
  /** Our own Lease must have run out for those who can see it. */
  readonly isCutOff: () => boolean
}): Precautions {
  const { self, records, announcer } = options
  let assumptions: Assumptions = new Map()

  function isAnnouncing(group: Group | undefined): boolean {
    const addresses = group ? addressesOf(group) : []
    return addresses.length > 0 && addresses.every(isKnown)
  }

  function isKnown(address: string): boolean {
    return (announcer.wire.get(address)?.announcedOn?.length ?? 0) > 0
  }

  function cautionFor(group: Group | undefined, alive: ReadonlyMap<string, Member>): Caution {
    const own = group?.members.map(({ service }) => records.get(recordKey(service)))
    return cautionOf({ self, record: own?.find(one => one?.claim), members: options.byLease(), alive })
  }

  return {
    elect(groups, alive) {
      const claimAt = (key: string) => {
        const group = groups.get(key)
        return group && claimOf(group, records)
      }
      assumptions = settleAssumptions(assumptions, claimAt, key => isAnnouncing(groups.get(key)))
      const contests = Array.from(groups, ([key, { candidates }]) => ({ key, candidates, claim: claimAt(key) }))
      return electOwners(contests, { self, assumptions, isThere: node => isThere(alive, node) })
    },
    cautionFor,
    lookAfter(won, alive) {
      for (const group of won) {
        const claim = claimOf(group, records)
        const isGone = claim !== undefined && !isThere(alive, claim.node)
        // The API server may be away, and the former owner come back and find itself named.
        if (claim && claim.node !== self && isGone && isAnnouncing(group)) {
          assumptions = assume(assumptions, group.key, claim)
        }
        const waiting = addressesOf(group).filter(address => announcer.wire.has(address) && !isKnown(address))
        if (waiting.length > 0) announcer.recaution(waiting, cautionFor(group, alive))
      }
    },
    mayClaim({ service, claim }) {
      // Whoever has us for dead would claim it back at once, and so on until our Lease is there again.
      if (options.isCutOff()) return false
      if (!fromTheDead(claim)) return true
      const addresses = service.ingress.flatMap(one => (one.kind === 'address' ? [formatAddress(one.address)] : []))
      // What no L2Advertisement speaks for is not announced here and holds nothing up.
      return addresses.every(address => !announcer.wire.has(address) || isKnown(address))
    },
  }
}

function isThere(alive: ReadonlyMap<string, Member>, node: string): boolean {
  return (alive.get(node)?.liveness ?? 'gone') !== 'gone'
}

function addressesOf(group: Group): readonly string[] {
  return group.members.flatMap(({ offers }) => offers.map(({ text }) => text))
}
