import { type Address, type IpFamily, parseAddress } from '../../net/address.ts'
import type { NextHops } from './route.ts'

/** An address of this node, and the interface that has it. */
export interface LocalAddress {
  readonly interface: string
  readonly address: Address
}

/**
 * Where a peer finds us (RFC 4271 §5.1.3, RFC 2545 §3): at the connection's own address, for the other family at an
 * address of the same interface, unless the settings name another. Of several the lowest is taken, so that every
 * session and every restart says the same.
 */
export function nextHopsOf(
  local: Address,
  named: Readonly<Partial<Record<IpFamily, Address>>>,
  addresses: readonly LocalAddress[],
): NextHops {
  const interfaces = new Set(addresses.filter(one => same(one.address, local)).map(one => one.interface))
  const beside = addresses.filter(one => interfaces.has(one.interface)).map(({ address }) => address)
  const own = (family: IpFamily) => (local.family === family && !isLinkLocal(local) ? local : undefined)
  const lowest = (family: IpFamily) =>
    beside
      // Beside a node's own address on its loopback interface there are 127.0.0.1 and ::1, where nobody finds us.
      .filter(address => address.family === family && !isLinkLocal(address) && isHostAddress(address))
      .sort((one, other) => (one.value < other.value ? -1 : 1))[0]
  return {
    IPv4: named.IPv4 ?? own('IPv4') ?? lowest('IPv4'),
    IPv6: named.IPv6 ?? own('IPv6') ?? lowest('IPv6'),
    linkLocal: isLinkLocal(local) ? local : undefined,
  }
}

/** Whether this node has the address, on an interface that is up. */
export function isAmong(addresses: readonly LocalAddress[], address: Address): boolean {
  return addresses.some(one => same(one.address, address))
}

function same(one: Address, other: Address): boolean {
  return one.family === other.family && one.value === other.value
}

/** fe80::/10, which means something only together with an interface; IPv4's 169.254.0.0/16 routes like any other. */
export function isLinkLocal({ family, value }: Address): boolean {
  return family === 'IPv6' && value >> 118n === 0xfe80n >> 6n
}

/**
 * Whether packets can be sent to one host there, which makes a next hop "syntactically correct" (RFC 4271 §6.3): not to
 * "this network", a host itself, groups or what is reserved. An IPv4-mapped one is what it maps: IPv6 routes have such
 * over IPv4 sessions (RFC 4798 §2), and FRR sends them where the link has no IPv6 address.
 */
export function isHostAddress({ family, value }: Address): boolean {
  if (family === 'IPv4') return isHostIPv4(value)
  if (value >> 32n === 0xffffn) return isHostIPv4(value & 0xffff_ffffn)
  return value > 1n && value >> 120n !== 0xffn
}

function isHostIPv4(value: bigint): boolean {
  const first = value >> 24n
  return first !== 0n && first !== 127n && first < 224n
}

/** A socket's text for an address: a zone behind it, or IPv4 inside IPv6, as sockets of both families write it. */
export function parseSocketAddress(text: string | undefined): Address | undefined {
  const [plain = ''] = (text ?? '').split('%')
  return parseAddress(plain.startsWith('::ffff:') && plain.includes('.') ? plain.slice(7) : plain)
}
