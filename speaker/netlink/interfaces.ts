import { compareAddresses, formatAddress } from '../../net/address.ts'
import { formatMac } from '../../net/mac.ts'
import type { NetworkInterface } from '../wire/messages.ts'
import type { Link, LinkAddress, NetlinkMessage } from './message.ts'

/** What the kernel has said of links and addresses so far. */
export interface LinkTable {
  readonly links: ReadonlyMap<number, Link>
  /** By link index and address. */
  readonly addresses: ReadonlyMap<string, LinkAddress>
}

export const emptyLinkTable: LinkTable = { links: new Map(), addresses: new Map() }

/** The table after messages have arrived; those that end a dump change nothing here. */
export function applyMessages(table: LinkTable, messages: readonly NetlinkMessage[]): LinkTable {
  const links = new Map(table.links)
  const addresses = new Map(table.addresses)
  for (const message of messages) {
    switch (message.kind) {
      case 'link':
        links.set(message.link.index, message.link)
        break
      case 'linkGone':
        links.delete(message.index)
        for (const [key, { linkIndex }] of addresses) if (linkIndex === message.index) addresses.delete(key)
        break
      case 'address':
        addresses.set(keyOf(message.address), message.address)
        break
      case 'addressGone':
        addresses.delete(keyOf(message.address))
        break
      case 'done':
      case 'error':
        break
    }
  }
  return { links, addresses }
}

function keyOf(address: LinkAddress): string {
  return `${address.linkIndex} ${address.address.family} ${address.address.value} ${address.prefixLength}`
}

/**
 * Interfaces of the pods, of the CNI and of container runtimes: the other end is one container, where no address of a
 * Service should ever be announced, and they come and go by the hundred.
 */
export const excludedByDefault: readonly string[] = [
  '^veth',
  '^(docker|br-[0-9a-f]{12}$|cbr|cni|podman|virbr|lxc|lxd|vnet|tap)',
  '^(cali|cilium|flannel|weave|ovn|antrea|genev|vxlan|tunl|wg|tailscale)',
  '^(kube-ipvs|nodelocaldns|dummy|ifb)',
  '^lo$',
]

const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8
const IFF_NOARP = 0x80
const IFF_LOWER_UP = 0x10000
const ARPHRD_ETHER = 1

/** The table as the rest of Berth sees it: in the order of the kernel's numbers, without interfaces excluded by name. */
export function networkInterfaces(table: LinkTable, excluded: readonly RegExp[]): readonly NetworkInterface[] {
  return described(table, ({ name }) => !isExcluded(name, excluded))
}

/** So many addresses that are not the node's own, but of Services or of what runs on it, that nobody would read them. */
const crowded = /^(kube-ipvs|nodelocaldns)/

/**
 * Interfaces excluded by name that have an address which is good for more than their link: a tunnel to the router, or the
 * loopback interface of a node that speaks BGP from an address of its own. Those of pods have none.
 */
export function excludedInterfaces(table: LinkTable, excluded: readonly RegExp[]): readonly NetworkInterface[] {
  const addressed = new Set(Array.from(table.addresses.values()).flatMap(one => (isRoutable(one) ? one.linkIndex : [])))
  return described(
    table,
    ({ name, index }) => addressed.has(index) && isExcluded(name, excluded) && !crowded.test(name),
  )
}

function isExcluded(name: string, excluded: readonly RegExp[]): boolean {
  return excluded.some(pattern => pattern.test(name))
}

/** Not link-local, and not of this machine alone. */
function isRoutable({ address: { family, value } }: LinkAddress): boolean {
  if (family === 'IPv4') return value >> 24n !== 127n && value >> 16n !== 0xa9fen
  return value > 1n && value >> 118n !== 0xfe80n >> 6n
}

function described(table: LinkTable, isWanted: (link: Link) => boolean): readonly NetworkInterface[] {
  const addresses = Map.groupBy(table.addresses.values(), ({ linkIndex }) => linkIndex)
  return [...table.links.values()]
    .filter(isWanted)
    .sort((one, other) => one.index - other.index)
    .map(link => ({
      name: link.name,
      index: link.index,
      mac: formatMac(link.mac),
      up: (link.flags & IFF_UP) !== 0,
      carrier: (link.flags & IFF_LOWER_UP) !== 0,
      mtu: link.mtu,
      addresses: [...(addresses.get(link.index) ?? [])]
        .sort((one, other) => compareAddresses(one.address, other.address))
        .map(({ address, prefixLength }) => ({ address: formatAddress(address), prefixLength })),
      layer2: isLayer2(link),
    }))
}

/** A port of a bridge or bond hears nothing itself: its master does. */
function isLayer2(link: Link): boolean {
  return (
    link.hardwareType === ARPHRD_ETHER &&
    link.mac.length === 6 &&
    (link.flags & (IFF_LOOPBACK | IFF_NOARP)) === 0 &&
    link.master === undefined
  )
}
