import type { Service, ServiceEndpoints } from '../../kube/service.ts'
import { formatAddress, type IpFamily } from '../../net/address.ts'
import type { NodeRefusal, RoutingRefusal } from '../refusal.ts'
import { nearest } from './audience.ts'
import { type Overview, remembering } from './overview.ts'
import type { Disagreement } from './terms.ts'

/** Who announces a Service to which routers by the rules, whatever the sessions do; or why nobody. */
export type RoutingStanding =
  | {
      readonly kind: 'announced'
      /** Nodes that have somebody to tell, sorted; their peers sorted. */
      readonly peersByNode: PeersByNode
      /** Canonical texts of the addresses that are announced. */
      readonly addresses: readonly string[]
      /** Among the advertisements that meet in a prefix of this Service. */
      readonly disagreements: readonly Disagreement[]
    }
  | { readonly kind: 'refused'; readonly refusal: RoutingRefusal }

export type PeersByNode = ReadonlyMap<string, readonly string[]>

/** The nodes that announce an address. With externalTrafficPolicy Cluster it is one object for all that have the same. */
type Reach =
  | { readonly kind: 'reached'; readonly peersByNode: PeersByNode; readonly disagreements: readonly Disagreement[] }
  | { readonly kind: 'unreached'; readonly nodes: readonly NodeRefusal[] }

type Reached = Extract<Reach, { kind: 'reached' }>

/** Finds the standing of any Service. */
export function standingFinder(
  overview: Overview,
): (service: Service, endpoints: ServiceEndpoints) => RoutingStanding | undefined {
  const reachesEverywhere = remembering(id => {
    const [family, list] = id.split(' ') as [IpFamily, string]
    return reachOf(overview, list.split(',').map(Number), family, undefined)
  })
  const unions = new Map<Reached, Map<Reached, Reached>>()

  function union(one: Reached, other: Reached): Reached {
    const known = unions.get(one)?.get(other)
    if (known) return known
    const made = together(one, other)
    unions.set(one, (unions.get(one) ?? new Map<Reached, Reached>()).set(other, made))
    return made
  }

  return (service, endpoints) => {
    const claims = overview.claimsOf(service)
    if (claims.length === 0) return undefined
    if (endpoints.usable === 0) return { kind: 'refused', refusal: { kind: 'NoUsableEndpoints' } }
    if (!overview.hasPeers) return { kind: 'refused', refusal: { kind: 'NoPeer' } }
    const local = service.externalTrafficPolicy === 'Local' ? endpoints.usableByNode : undefined
    const addresses: string[] = []
    let all: Reached | undefined
    let nodes: readonly NodeRefusal[] = []
    for (const { address, indexes } of claims) {
      const { family } = address
      const reach = local ? reachOf(overview, indexes, family, local) : reachesEverywhere(`${family} ${indexes.join()}`)
      if (reach.kind === 'unreached') {
        nodes = reach.nodes
        continue
      }
      addresses.push(formatAddress(address))
      // Those of Local are each Service's own, and must not be remembered for as long as the survey lives.
      all = all ? (local ? together(all, reach) : union(all, reach)) : reach
    }
    if (!all) return { kind: 'refused', refusal: { kind: 'NoEligibleNode', nodes } }
    const { peersByNode, disagreements } = all
    return { kind: 'announced', peersByNode, addresses, disagreements }
  }
}

function reachOf(
  overview: Overview,
  indexes: readonly number[],
  family: IpFamily,
  local: ReadonlyMap<string, number> | undefined,
): Reach {
  const peersByNode = new Map<string, readonly string[]>()
  const disagreements = new Set<Disagreement>()
  for (const node of local ? [...local.keys()].sort() : overview.nodes) {
    const told = indexes.flatMap(index => {
      const audience = overview.audiencesOf(node, family)[index]
      return audience?.kind === 'peers' ? [{ index, peers: audience.peers }] : []
    })
    const [first, ...more] = told
    if (!first) continue
    peersByNode.set(node, more.length === 0 ? first.peers : sortedUnion(told.map(({ peers }) => peers)))
    if (more.length === 0) continue
    const meetings = Map.groupBy(
      told.flatMap(({ index, peers }) => peers.map(peer => ({ index, peer }))),
      ({ index, peer }) => `${overview.advertisements[index]?.aggregationLength[family]} ${peer}`,
    )
    for (const speakers of meetings.values()) {
      const terms = overview.termsOf(speakers.map(({ index }) => index))
      for (const disagreement of terms.disagreements) disagreements.add(disagreement)
    }
  }
  if (peersByNode.size > 0) return { kind: 'reached', peersByNode, disagreements: [...disagreements] }
  return { kind: 'unreached', nodes: refusalsOf(overview, indexes, family) }
}

function refusalsOf(overview: Overview, indexes: readonly number[], family: IpFamily): readonly NodeRefusal[] {
  return overview.nodes.flatMap(node =>
    nearest(
      indexes.flatMap((index): readonly NodeRefusal[] => {
        const audience = overview.audiencesOf(node, family)[index]
        if (!audience) return []
        // Had it an endpoint, it would announce.
        return audience.kind === 'peers' ? [{ kind: 'noLocalEndpoint', node }] : [audience]
      }),
    ),
  )
}

/** Several addresses of one Service, seen as one. */
function together(one: Reached, other: Reached): Reached {
  const nodes = sortedUnion([[...one.peersByNode.keys()], [...other.peersByNode.keys()]])
  const peers = (node: string) => sortedUnion([one.peersByNode.get(node) ?? [], other.peersByNode.get(node) ?? []])
  return {
    kind: 'reached',
    peersByNode: new Map(nodes.map(node => [node, peers(node)])),
    disagreements: [...new Set([...one.disagreements, ...other.disagreements])],
  }
}

function sortedUnion(lists: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(lists.flat())].sort()
}
