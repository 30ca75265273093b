import { type Address, formatAddress, type IpFamily } from '../../net/address.ts'
import type { Peer } from './peer-state.ts'

/** All that a session is built from; when any of it changes, the session begins anew. */
export interface PeerSettings extends Peer {
  readonly name: string
  readonly remote: RemoteAddress
  readonly port: number
  /** Our own address on the connection; the kernel chooses where none is given. */
  readonly sourceAddress: Address | undefined
  /** An interface or VRF that the connection is bound to. */
  readonly device: string | undefined
  /** Of the packets we send: 1 for a neighbour of another AS, 255 with GTSM; undefined = the kernel's. */
  readonly ttl: number | undefined
  /** Packets that arrive with less are dropped by the kernel: GTSM, RFC 5082. */
  readonly minimumTtl: number | undefined
  /** Key of TCP-MD5 (RFC 2385), up to 80 octets. */
  readonly password: string | undefined
  /** Next hops in place of the connection's own address and those beside it on its interface. */
  readonly nextHops: Readonly<Partial<Record<IpFamily, Address>>>
}

/** A peer as it is configured: by address, or as whoever is at the other end of an interface. */
export type ConfiguredPeer = Omit<PeerSettings, 'remote'> & { readonly remote: RemoteAddress | OnInterface }

export interface OnInterface {
  readonly interface: string
}

export interface RemoteAddress {
  readonly address: Address
  /** The interface of a link-local address. */
  readonly zone?: string
}

/** As programs take it: `192.0.2.1`, `fe80::1%eth0`. */
export function formatRemote({ address, zone }: RemoteAddress): string {
  return zone === undefined ? formatAddress(address) : `${formatAddress(address)}%${zone}`
}

/** Equal for settings that make the same session. */
export function sessionKey(settings: PeerSettings): string {
  return JSON.stringify(settings, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
}
