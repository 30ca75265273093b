import type { Service } from '../kube/service.ts'
import { formatRefusal, plural } from '../speaker/refusal.ts'
import { formatSharedRoute } from '../speaker/routing/shared-routes.ts'
import { formatDisagreement } from '../speaker/routing/terms.ts'
import { adviceOnAnnouncement } from './advice.ts'
import { type Loss, routingLoss } from './explain-loss.ts'
import type { Picture } from './picture.ts'
import type { Session } from './session.ts'

/** Which nodes tell which routers of a Service; or why none. */
export interface BgpExplanation {
  readonly state: 'announced' | 'refused'
  readonly text: string
  readonly advice: readonly string[]
  /** What the loss of a node would mean; undefined where nobody announces it. */
  readonly ifLost: Loss | undefined
  readonly routes: readonly RouteAnswer[]
}

/** One node's session by which it announces. */
export interface RouteAnswer {
  readonly node: string
  readonly peer: string
  /** Its state, or why there is none. */
  readonly session: string
  readonly since: string | undefined
  readonly problem: string | undefined
}

/** Undefined where no BGPAdvertisement speaks for it. */
export function explainBgp(picture: Picture, service: Service): BgpExplanation | undefined {
  const { snapshot } = picture
  const standing = picture.routes.standingOf(service, picture.endpointsOf(service))
  const verdict = picture.routingOf(service)
  if (!standing || !verdict) return undefined
  const routes = standing.kind === 'announced' ? routesOf(picture, standing.peersByNode) : []
  if (verdict.kind === 'refused') {
    const { refusal } = verdict
    const advice = adviceOnAnnouncement(refusal, service, snapshot.namespace)
    return { ...refused, text: `${formatRefusal(refusal)}.`, advice, routes }
  }
  const { addresses, nodes, peers, established, disagreements, sharedRoutes } = verdict
  if (!established) {
    const refusal = { kind: 'NoEstablishedSession', nodes, peers } as const
    const advice = adviceOnAnnouncement(refusal, service, snapshot.namespace)
    return { ...refused, text: `${formatRefusal(refusal)}.`, advice, routes }
  }
  const standingKeys = new Set(
    routes.filter(({ session }) => session === 'Established').map(({ node, peer }) => `${node} ${peer}`),
  )
  const sessions = snapshot.sessions.filter(({ node, peer }) => standingKeys.has(`${node} ${peer}`))
  const isLocal = service.externalTrafficPolicy === 'Local'
  const ifLost = routingLoss({ sessions, nodes: nodes.length, isLocal })
  const who = `${nodes.length} ${plural(nodes, 'node')} ${nodes.length === 1 ? 'announces' : 'announce'} ${addresses.join(', ')}`
  const text = `${who} to ${plural(peers, 'peer')} ${peers.join(', ')}; ${sessions.length} of ${routes.length} sessions established.`
  const advice = [...disagreements.map(formatDisagreement), ...sharedRoutes.map(formatSharedRoute)]
  return { state: 'announced', text, advice, ifLost, routes }
}

const refused = { state: 'refused', ifLost: undefined } as const

function routesOf(picture: Picture, peersByNode: ReadonlyMap<string, readonly string[]>): readonly RouteAnswer[] {
  const { snapshot, members } = picture
  const sessions = new Map<string, Session>(snapshot.sessions.map(one => [`${one.node} ${one.peer}`, one]))
  return [...peersByNode].flatMap(([node, peers]) =>
    peers.map((peer): RouteAnswer => {
      const session = sessions.get(`${node} ${peer}`)
      const liveness = members.get(node)?.liveness
      if (liveness === undefined || liveness === 'gone') {
        const text = liveness === 'gone' ? 'its speaker does not renew its Lease' : 'no speaker runs there'
        return { node, peer, session: 'none', since: undefined, problem: text }
      }
      if (!session?.state) {
        const problem = session?.problem ?? 'the speaker has not said anything of it yet'
        return { node, peer, session: 'none', since: undefined, problem }
      }
      const { state, since } = session
      return { node, peer, session: state, since, problem: session.problem ?? whyNot(session) }
    }),
  )
}

function whyNot({ state, conditions, lastError }: Session): string | undefined {
  if (state === 'Established') return undefined
  return conditions.find(({ type }) => type === 'Established')?.message ?? lastError
}
