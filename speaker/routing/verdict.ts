import type { Member } from '../layer2/membership.ts'
import type { NodeRefusal, RoutingRefusal } from '../refusal.ts'
import { type SharedRoute, supersedes } from './shared-routes.ts'
import type { PeersByNode, RoutingStanding } from './standing.ts'
import type { Disagreement } from './terms.ts'

/*
 * What people are told of a Service that BGP announces. The rules say which nodes announce it (standing.ts); of these only
 * nodes with a speaker can. Whether any of them has an established session decides whether the Service is announced at
 * all. Which of them have one does not stand in the verdict: a router that restarts must not change what is written of five
 * thousand Services, and BGPSessionStatus tells it better.
 */

/** What BGP makes of a Service, as every speaker sees it. */
export type RoutingVerdict =
  | {
      readonly kind: 'announced'
      readonly addresses: readonly string[]
      /** Sorted. */
      readonly nodes: readonly string[]
      /** Sorted. */
      readonly peers: readonly string[]
      /** Whether any of the nodes has a session with one of its peers. */
      readonly established: boolean
      /** Among the advertisements that speak for this Service. */
      readonly disagreements: readonly Disagreement[]
      /** Among those and what speaks for the Services that share its routes. */
      readonly sharedRoutes: readonly SharedRoute[]
    }
  | { readonly kind: 'refused'; readonly refusal: RoutingRefusal }

/** What a verdict goes by besides the rules. */
export interface RoutingConditions {
  /** Nodes on which a speaker runs. */
  readonly speakers: ReadonlySet<string>
  readonly members: ReadonlyMap<string, Member>
  /** Whether the node's session with the peer stands. */
  readonly established: (node: string, peer: string) => boolean
}

/** Of a standing and of what the Service shares with others. */
export type RoutingJudge = (standing: RoutingStanding, sharedRoutes: readonly SharedRoute[]) => RoutingVerdict

/** Judges any Service, under the conditions of one moment; the same two things always by the same object. */
export function routingJudge(conditions: RoutingConditions): RoutingJudge {
  const known = new Map<PeersByNode, Audible>()
  const verdicts = new WeakMap<
    RoutingStanding,
    { readonly sharedRoutes: readonly SharedRoute[]; readonly verdict: RoutingVerdict }
  >()
  return (standing, sharedRoutes) => {
    if (standing.kind === 'refused') return standing
    const before = verdicts.get(standing)
    if (before?.sharedRoutes === sharedRoutes) return before.verdict
    const verdict = judge(standing, sharedRoutes)
    verdicts.set(standing, { sharedRoutes, verdict })
    return verdict
  }

  function judge(
    standing: RoutingStanding & { readonly kind: 'announced' },
    sharedRoutes: readonly SharedRoute[],
  ): RoutingVerdict {
    const { peersByNode, addresses } = standing
    const audible = known.get(peersByNode) ?? audibleOf(peersByNode, conditions)
    known.set(peersByNode, audible)
    const { nodes, peers, established } = audible
    if (nodes.length > 0) {
      const disagreements = standing.disagreements.filter(one => !sharedRoutes.some(shared => supersedes(shared, one)))
      return { kind: 'announced', addresses, nodes, peers, established, disagreements, sharedRoutes }
    }
    const refusals = [...peersByNode.keys()].map((node): NodeRefusal => {
      const member = conditions.members.get(node)
      return { kind: !member ? 'noSpeaker' : member.unheard ? 'speakerUnheard' : 'speakerGone', node }
    })
    return { kind: 'refused', refusal: { kind: 'NoEligibleNode', nodes: refusals } }
  }
}

interface Audible {
  readonly nodes: readonly string[]
  readonly peers: readonly string[]
  readonly established: boolean
}

function audibleOf(peersByNode: PeersByNode, { speakers, members, established }: RoutingConditions): Audible {
  const speaking = [...peersByNode].filter(([node]) => speakers.has(node))
  return {
    nodes: speaking.map(([node]) => node),
    peers: [...new Set(speaking.flatMap(([, peers]) => peers))].sort(),
    // A speaker that has died has no sessions, whatever its last record says.
    established: speaking.some(([node, peers]) => {
      const liveness = members.get(node)?.liveness
      return liveness !== undefined && liveness !== 'gone' && peers.some(peer => established(node, peer))
    }),
  }
}
