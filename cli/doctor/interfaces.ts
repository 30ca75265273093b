import { parseAddress } from '../../net/address.ts'
import { type AddressRange, contains, overlaps, parseRange } from '../../net/range.ts'
import type { InterfaceFacts } from '../../speaker/layer2/facts.ts'
import type { Facts } from './facts.ts'
import { type Finding, ok, unknown, warn } from './finding.ts'
import { few } from './words.ts'

/*
 * How the interfaces of the nodes are set, as their speakers tell it in their Leases. Asked for are only those that matter:
 * in whose network a node has its address, a pool has addresses, or a router is. A bridge of containers, with the same
 * network on every node, is none of them.
 */

interface Told {
  readonly node: string
  readonly facts: InterfaceFacts
  /** The networks of it that matter, as prefixes. */
  readonly networks: readonly string[]
}

/** How the kernel checks packets, and whether all nodes of a network send equally large ones. */
export function checkInterfaces(facts: Facts): readonly Finding[] {
  const told = interfacesThatMatter(facts)
  return [...reversePath(told), ...mtus(told)]
}

function interfacesThatMatter({ picture: { snapshot } }: Facts): readonly Told[] {
  const { pools, bgpPeers } = snapshot.resolved.config
  const routers = bgpPeers.map(({ peerAddress }) => (peerAddress.kind === 'address' ? peerAddress.address : ''))
  const own = [...snapshot.nodes.values()].flatMap(({ internalIPs }) => internalIPs)
  const addresses = [...own, ...routers].map(text => parseAddress(text)).filter(address => address !== undefined)
  const ranges = pools.flatMap(pool => pool.ranges)
  const matters = (network: AddressRange): boolean =>
    addresses.some(address => contains(network, address)) || ranges.some(range => overlaps(network, range))
  return snapshot.speakers
    .filter(({ lease }) => snapshot.nodes.has(lease.node))
    .flatMap(({ lease }) =>
      lease.facts.interfaces
        .filter(({ carrier }) => carrier)
        .map(one => ({
          node: lease.node,
          facts: one,
          networks: one.subnets.filter(subnet => {
            const range = parseRange(subnet)
            return !('problem' in range) && matters(range)
          }),
        })),
    )
    .filter(({ networks }) => networks.length > 0)
    .toSorted((one, other) => (one.node < other.node ? -1 : one.node > other.node ? 1 : 0))
}

const strict = 1

function reversePath(told: readonly Told[]): readonly Finding[] {
  const byNode = [...Map.groupBy(told, ({ node }) => node)]
  // By one interface all comes and goes, whatever is set.
  const several = byNode.filter(([, all]) => all.filter(one => hasIPv4(one)).length > 1)
  const silent = several.filter(([, all]) => all.some(({ facts }) => facts.rpFilter === undefined))
  const bad = several.filter(([, all]) => all.some(one => hasIPv4(one) && one.facts.rpFilter === strict))
  const unseen = silent.map(([node]) => node)
  const findings: Finding[] = []
  if (bad.length > 0) {
    const places = bad.map(([node, all]) => {
      const names = all.filter(({ facts }) => facts.rpFilter === strict).map(({ facts }) => facts.name)
      return `${node} (${names.join(', ')})`
    })
    findings.push(
      warn(
        'KernelSettings',
        `rp_filter is 1 (strict) on ${few(places)}, in several networks: a request is dropped without a word where its answer would leave by another interface.`,
        'There: sysctl -w net.ipv4.conf.all.rp_filter=2, and in /etc/sysctl.d so that it stays.',
      ),
    )
  }
  if (unseen.length > 0 || told.length === 0) {
    findings.push(
      unknown(
        'KernelSettings',
        told.length === 0
          ? 'rp_filter of the nodes: no speaker tells of an interface.'
          : `rp_filter of ${few(unseen)}: a speaker of an older version does not tell it.`,
        'On a node with several networks: sysctl net.ipv4.conf.all.rp_filter (2 or 0 lets answers take another way than the requests).',
      ),
    )
  }
  if (findings.length > 0) return findings
  const what =
    several.length === 0
      ? 'No node stands in several networks, where rp_filter would matter.'
      : 'No node that stands in several networks has rp_filter 1 (strict) there.'
  return [ok('KernelSettings', what)]
}

function hasIPv4({ networks }: Told): boolean {
  return networks.some(network => !network.includes(':'))
}

function mtus(told: readonly Told[]): readonly Finding[] {
  const byNetwork = new Map<string, Told[]>()
  for (const one of told) {
    for (const network of one.networks) byNetwork.set(network, [...(byNetwork.get(network) ?? []), one])
  }
  const differing = [...byNetwork].filter(([, all]) => mtusOf(all).length > 1)
  // The same interfaces may stand in a network of each family: that is told once.
  const groups = [...Map.groupBy(differing, ([, all]) => all.map(placeOf).join()).values()]
  const findings = groups.flatMap(group => {
    const [[, all] = [undefined, []]] = group
    const networks = group.map(([network]) => network)
    const parts = mtusOf(all).map(mtu => `${mtu} on ${few(all.filter(({ facts }) => facts.mtu === mtu).map(placeOf))}`)
    return [
      warn(
        'MTU',
        `The MTU differs in ${networks.join(' and ')}: ${parts.join('; ')}. Packets larger than the smallest are lost between them.`,
        `Give all of them the one that the switch carries: ip link set INTERFACE mtu ${mtusOf(all).at(-1)}`,
      ),
    ]
  })
  const known = [...new Set(told.flatMap(({ facts }) => facts.mtu ?? []))]
  const fine =
    known.length > 0 && findings.length === 0 ? [ok('MTU', 'All nodes of a network have the same MTU there.')] : []
  return [...findings, ...fine, beyondTheNodes]
}

/** The largest first. */
function mtusOf(all: readonly Told[]): readonly number[] {
  return [...new Set(all.flatMap(({ facts }) => facts.mtu ?? []))].sort((one, other) => other - one)
}

function placeOf({ node, facts }: Told): string {
  return `${node} (${facts.name})`
}

const beyondTheNodes = unknown(
  'MTU',
  'the MTU on the way from clients to the nodes, and from the nodes to pods: no API tells it.',
  'From a client: ping -M do -s 1472 ADDRESS-OF-A-NODE; where large answers alone get stuck, the MTU of the CNI is too large.',
)
