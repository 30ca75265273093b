import type { Service } from '../kube/service.ts'
import type { SettledCondition } from '../kube/settled.ts'
import type { AnnouncedCondition } from './condition.ts'
import type { Verdict } from './layer2/election.ts'
import type { Group } from './layer2/groups.ts'
import type { Member } from './layer2/membership.ts'
import { type Claim, type ClaimedBecause, type OwnershipRecord, type Published, recordKey } from './layer2/record.ts'
import type { AddressRival, RefusedService, UnadvertisedAddress } from './refusal.ts'
import type { RoutingVerdict } from './routing/verdict.ts'
import type { RefusalKey } from './telling.ts'
import type { WireAnnouncement } from './wire/messages.ts'

/*
 * What plan.ts goes by, and what comes of it: the situation of one speaker as a value, and the actions that it leads to.
 */

/** What the wire thread was told about an address, and what it made of it. */
export interface WireState {
  readonly told: readonly string[] | 'all'
  /** The nodes that share it; absent: it is ours alone. */
  readonly sharers?: readonly string[] | undefined
  /** Where its first gratuitous packets have left; undefined until it has said so. */
  readonly announcedOn: readonly string[] | undefined
  /** They have left once, whatever has become of it since. */
  readonly wasAnnounced?: boolean | undefined
}

/** The records as a plan looks at them, by `recordKey`. */
export interface Records {
  get(key: string): OwnershipRecord | undefined
  values(): Iterable<OwnershipRecord>
}

/** All that a plan depends on. */
export interface Situation {
  /** This node. */
  readonly self: string
  readonly members: ReadonlyMap<string, Member>
  readonly groups: readonly Group[]
  /** By the group's key. */
  readonly verdicts: ReadonlyMap<string, Verdict>
  /** Services that nobody announces at layer 2: no node can, or (see `leftOut`) the one that has their address cannot. */
  readonly refused: readonly RefusedService[]
  readonly beside: (service: Service) => Beside
  /** By `recordKey`. */
  readonly records: Records
  /** What this node answers for, by address. */
  readonly wire: ReadonlyMap<string, WireState>
  /** Addresses of ours for which another speaker's gratuitous packet was seen, and that speaker's node. */
  readonly seen: ReadonlyMap<string, string>
  /** By address, other stations that have it too. */
  readonly rivals: ReadonlyMap<string, Omit<AddressRival, 'address'>>
  /** Whether something that can wait has waited long enough. */
  readonly ripe: (key: RipeKey) => boolean
  /** This speaker is leaving and begins nothing new. */
  readonly stopping: boolean
}

/** What is to be said of a Service besides what layer 2 does. */
export interface Beside {
  /** What BGP makes of it; undefined where no BGPAdvertisement speaks for it. */
  readonly routing: RoutingVerdict | undefined
  /** Addresses that no L2Advertisement speaks for, while one speaks for another address of the Service. */
  readonly unadvertised: readonly UnadvertisedAddress[]
}

/** What can wait: a group's move for preference or spread, a Service's refusal. */
export type RipeKey = `move ${string}` | RefusalKey

export type SpeakerAction =
  | {
      readonly kind: 'announce'
      readonly group: string
      readonly announcements: readonly WireAnnouncement[]
      readonly because: ClaimedBecause | 'kept'
    }
  | { readonly kind: 'withdraw'; readonly addresses: readonly string[]; readonly because: WithdrawnBecause }
  | {
      readonly kind: 'claim'
      readonly service: Service
      readonly record: OwnershipRecord | undefined
      readonly claim: Claim
    }
  | {
      readonly kind: 'publish'
      readonly service: Service
      readonly record: OwnershipRecord
      readonly published: Published
      readonly event: SpeakerEvent
    }
  | { readonly kind: 'deleteRecord'; readonly record: OwnershipRecord }
  | {
      readonly kind: 'setCondition'
      readonly service: Service
      readonly condition: AnnouncedCondition
      /** Where there is something new to say of that, too. */
      readonly settled?: SettledCondition | undefined
      readonly event: SpeakerEvent | undefined
    }

export type WithdrawnBecause = { readonly kind: 'handedOver'; readonly to: string } | { readonly kind: 'nobodyMay' }

export interface SpeakerEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: 'Announcing' | 'AnnouncementMoved' | 'NotAnnounced' | 'AddressConflict'
  readonly note: string
}

/** Who has a group by the records: its first member's that has one. */
export function ownerOf(group: Group, records: Records): string | undefined {
  return claimOf(group, records)?.node
}

/** The claim that the records have for a group. */
export function claimOf(group: Group, records: Records): Claim | undefined {
  for (const { service } of group.members) {
    const claim = records.get(recordKey(service))?.claim
    if (claim) return claim
  }
  return undefined
}
