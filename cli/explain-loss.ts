import { fewOf, plural } from '../speaker/refusal.ts'
import type { Session } from './session.ts'

/** What the loss of a node that announces would mean. */
export interface Loss {
  readonly text: string
  /** Whether others would go on. */
  readonly isSafe: boolean
}

/** At layer 2: who answers for it, and who would be elected without that node. */
export function layer2Loss(sharers: readonly string[], next: string | undefined): Loss {
  if (sharers.length > 1) return { text: 'If one of them were lost, the others would take its clients.', isSafe: true }
  if (next === undefined) return { text: 'If that node were lost, nobody could announce it.', isSafe: false }
  return { text: `If that node were lost, ${next} would take it.`, isSafe: true }
}

/** What routers go by when a node is lost. */
export interface RoutingWays {
  /** The sessions that stand and by which routers hear of the Service, at least one. */
  readonly sessions: readonly Session[]
  /** How many nodes are to announce it by the rules. */
  readonly nodes: number
  readonly isLocal: boolean
}

/** By BGP: all announce at once, and routers go on with those that are left as soon as they know that one is lost. */
export function routingLoss({ sessions, nodes, isLocal }: RoutingWays): Loss {
  const carriers = [...new Set(sessions.map(({ node }) => node))]
  if (carriers.length === 1) {
    const why =
      nodes > 1
        ? 'no session of another node stands'
        : isLocal
          ? 'it is Local, and has ready endpoints on no other node'
          : 'no other node may announce it'
    return { text: `If ${carriers[0]} were lost, no router would have a way to it: ${why}.`, isSafe: false }
  }
  const alone = [...Map.groupBy(sessions, ({ peer }) => peer)].flatMap(([peer, own]) =>
    own.length === 1 ? own.map(({ node }) => `${peer} hears it from ${node} alone`) : [],
  )
  const rest = alone.length > 0 ? `, but ${fewOf(alone)}` : ''
  const text = `If one of these nodes were lost, routers would go on with the others${rest}. ${noticeText(sessions)}`
  return { text, isSafe: alone.length === 0 }
}

/** How routers learn of a node that says nothing any more. */
function noticeText(sessions: readonly Session[]): string {
  const ways = [...Map.groupBy(sessions, wayOf)].map(([way, own]) => {
    return { way, peers: [...new Set(own.map(({ peer }) => peer))].sort() }
  })
  const texts = ways.map(({ way, peers }) => {
    const who = `${plural(peers, 'peer')} ${fewOf(peers)}`
    return way === byBFD ? `BFD tells ${who}` : `${who} ${peers.length === 1 ? 'notices' : 'notice'} ${way}`
  })
  const text = texts.join('; ')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

const byBFD = 'by BFD'

function wayOf({ bfd, holdTimeSeconds, gracefulRestartSeconds }: Session): string {
  if (bfd === 'Up') return byBFD
  if (holdTimeSeconds === 0) return 'nothing: there is no hold time, and no BFD that is up'
  const hold = holdTimeSeconds === undefined ? '' : ` of ${holdTimeSeconds} s`
  const keeps = gracefulRestartSeconds ? ` and the ${gracefulRestartSeconds} s of graceful restart` : ''
  const end = `when the hold time${hold}${keeps} ${keeps ? 'are' : 'is'} over`
  return bfd === undefined ? `${end} (no bfdProfile)` : `${end} (BFD is ${bfd})`
}
