import { type Address, type IpFamily, sameAddress } from '../../net/address.ts'
import type { ControlPacket } from './packet.ts'

/** Where a session's packets go and come from. */
export interface Path {
  readonly remote: Address
  readonly local: Address | undefined
  readonly device: string | undefined
  readonly hops: 'single' | 'multiple'
  readonly minimumTtl: number
}

/** What a socket serves: one kind of path in one family, through one device or any. */
export interface Door {
  readonly family: IpFamily
  readonly hops: Path['hops']
  readonly device: string | undefined
}

/** How a packet came. */
export interface Arrival {
  readonly door: Door
  readonly from: Address
  readonly to: Address
  readonly ttl: number
}

/** A session that packets may be for. */
export interface Addressee {
  readonly path: Path
  readonly localDiscriminator: number
}

/** Why a packet is for nobody. */
export type Undelivered = 'unknownDiscriminator' | 'unknownAddress' | 'wrongPath' | 'ttl'

/** Whom packets can be for: by the discriminator that they name, and while they name none, by address. */
export interface Addressees<Who extends Addressee> {
  readonly byDiscriminator: ReadonlyMap<number, Who>
  readonly byRemote: ReadonlyMap<bigint, readonly Who[]>
}

/** Finds the session that a packet is for (§6.8.6, RFC 5881 §4 and §5, RFC 5883 §3). */
export function selectSession<Who extends Addressee>(
  packet: ControlPacket,
  arrival: Arrival,
  addressees: Addressees<Who>,
): Who | Undelivered {
  const found =
    packet.yourDiscriminator === 0
      ? nearest(addressees.byRemote.get(arrival.from.value) ?? [], arrival)
      : addressees.byDiscriminator.get(packet.yourDiscriminator)
  if (!found) return packet.yourDiscriminator === 0 ? 'unknownAddress' : 'unknownDiscriminator'
  // The discriminator alone would do for the RFC; but a stranger may have read it, and ours do not move.
  if (!isOnPath(found.path, arrival)) return 'wrongPath'
  return arrival.ttl < found.path.minimumTtl ? 'ttl' : found
}

/** Of those that the packet may be for, one that is bound to the device that it came by goes first. */
function nearest<Who extends Addressee>(candidates: readonly Who[], arrival: Arrival): Who | undefined {
  const found = candidates.filter(({ path }) => isOnPath(path, arrival))
  return found.find(({ path }) => path.device !== undefined) ?? found[0]
}

/** A path without a device is open to all: the socket of another session's device gets what comes by that device. */
function isOnPath(path: Path, { door, from, to }: Arrival): boolean {
  return (
    path.hops === door.hops &&
    (path.device === undefined || path.device === door.device) &&
    sameAddress(path.remote, from) &&
    (path.local === undefined || sameAddress(path.local, to))
  )
}

/** The socket that a path's packets arrive at. */
export function doorOf({ remote, hops, device }: Path): Door {
  return { family: remote.family, hops, device }
}
