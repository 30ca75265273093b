import type { Logger } from 'pino'
import type { Config } from '../../crds/config.ts'
import type { KubeNode } from '../../kube/node.ts'
import type { ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import { sleep } from '../../kube/task.ts'
import type { BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'
import { notification } from '../bgp/notification.ts'
import type { Route } from '../bgp/route.ts'
import type { Bgp, BgpOptions, Farewell } from '../bgp/speaker.ts'
import type { PeerStatus } from '../bgp/status.ts'
import { createLoop, type LoopState } from '../loop.ts'
import type { Sources } from '../sources.ts'
import type { NetworkInterface } from '../wire/messages.ts'
import { createBfdWishes } from './bfd-wishes.ts'
import {
  type Departures,
  depart,
  nextDepartureMs,
  nothingDeparts,
  partingWorld,
  type Saying,
  sayingOf,
} from './departure.ts'
import type { Passwords } from './passwords.ts'
import { type NodePeer, peersOfNode, secretsOfNode } from './peers.ts'
import { formatConflict } from './route-conflicts.ts'
import { planRoutes, type RoutePlan } from './route-plan.ts'
import { type RoutingSurvey, routingSurveyOf } from './routes.ts'

/*
 * The loop between Kubernetes and BGP: observe → peers and routes → configure. Like the layer-2 loop it always looks at the
 * whole, remembers nearly everything between two runs, and looks at changes together that come together.
 *
 *     stores ─→ peersOfNode ─→ sessions ─→ bgp.configure ─→ status ─┬─→ view (status objects, metrics)
 *          └──→ planRoutes ──→ routes ──────────┘                  └─→ BFD sessions ─→ wire thread ─→ takeBfd ─→ bgp.reset
 *
 * A node that no BGPPeer selects opens nothing, and BGP's code is not even read. One that is taken out of use says for a
 * while longer what it said, as the last that is heard of it: departure.ts.
 */

/** What this node says to its routers and hears of them. */
export interface RouterView {
  readonly node: string
  /** By name. */
  readonly peers: readonly PeerView[]
  /** Undefined until Services and configuration are known. */
  readonly plan: RoutePlan | undefined
}

export interface PeerView {
  readonly peer: NodePeer
  readonly status: PeerStatus | undefined
  readonly bfd: BfdSessionStatus | undefined
}

/** The loop. */
export interface Router {
  /** Something has changed: run soon. */
  wake(what?: RouterNews): void
  /** A report of the wire thread. */
  takeBfd(status: BfdSessionStatus): void
  view(): RouterView
  /** Takes leave of every peer so that as little traffic as possible is lost; resolves when the last word has left. */
  leave(): Promise<void>
  /** Ends everything at once. */
  stop(): Promise<void>
  readonly state: LoopState
}

/** What has changed: a Service or its endpoints; nodes or configuration, on which everything depends; this node's addresses. */
export type RouterNews = { readonly service: ServiceKey } | 'configuration' | 'interfaces'

export interface RouterOptions {
  readonly node: string
  readonly sources: Pick<Sources, 'services' | 'nodes' | 'config'>
  readonly endpoints: { of(service: ServiceKey): ServiceEndpoints }
  readonly passwords: Passwords
  /** How much has been listed: nothing to go by, enough for sessions, or everything. */
  readonly known: () => 'nothing' | 'peers' | 'everything'
  readonly openBgp: (options: BgpOptions) => Promise<Bgp>
  readonly setBfdSessions: (sessions: readonly BfdSessionSettings[]) => void
  readonly interfaces: () => readonly NetworkInterface[]
  /** How long routers have, once told that this node is about to go, to find other ways. */
  readonly dwellMs: number
  /** Others are to be preferred to this node for as long as this is so. */
  readonly isDrained: () => boolean
  /** The view is another. */
  readonly onChange: () => void
  readonly log: Logger
}

/** What a node that departs goes by, and says. */
interface Parting {
  readonly world: { readonly config: Config; readonly node: KubeNode }
  readonly survey: RoutingSurvey
  /** Made by this survey; undefined: not yet. */
  plan: RoutePlan | undefined
  /** Made by the one before. */
  readonly before: RoutePlan | undefined
}

const noSecrets: ReadonlySet<string> = new Set()
const noRoutes: ReadonlyMap<string, readonly Route[]> = new Map()

export function createRouter(options: RouterOptions): Router {
  const { node, sources, endpoints, passwords, log } = options
  let bgp: Bgp | undefined
  let opening = false
  let survey: RoutingSurvey | undefined
  /** Services to look at in the next plan, if its survey is that of the last. */
  const touched = new Set<ServiceKey>()
  let peers: readonly NodePeer[] = []
  let plan: RoutePlan | undefined
  let farewell: RoutePlan | undefined
  let departures = nothingDeparts
  /** While the node departs: the rules as if it did not. */
  let parting: Parting | undefined
  let saying: Saying | undefined
  let lastView: RouterView | undefined
  let toldProblems: ReadonlyMap<string, string> = new Map()
  /** Peers that agreed to graceful restart: they keep our routes, so nothing is said of our going. */
  let bridged: ReadonlySet<string> = new Set()
  let farewellKind: Farewell['kind'] = 'restart'
  let phase: 'working' | 'leaving' | 'stopped' = 'working'
  const loop = createLoop(run)
  const bfd = createBfdWishes(options.setBfdSessions)

  function wake(what?: RouterNews): void {
    if (what === 'configuration') survey = undefined
    else if (what === 'interfaces') bgp?.refreshNextHops()
    else if (what) touched.add(what.service)
    loop.wake()
  }

  function run(): boolean {
    const known = options.known()
    if (known === 'nothing') return false
    settleDepartures(performance.now())
    settlePeers()
    if (known === 'everything') settleRoutes()
    apply()
    options.onChange()
    return true
  }

  function settleDepartures(nowMs: number): void {
    const dueMs = nextDepartureMs(departures)
    if (!survey || (dueMs !== undefined && dueMs <= nowMs)) {
      const own = sources.nodes.get(node)
      const config = sources.config()
      const before = departures
      departures = own ? depart(before, config, own, { nowMs, dwellMs: options.dwellMs }) : nothingDeparts
      tellDepartures(before)
      parting = own && nextDepartureMs(departures) !== undefined ? partingOf(config, own, parting) : undefined
    }
    const nextMs = nextDepartureMs(departures)
    if (nextMs !== undefined) loop.runAt(nextMs)
  }

  function partingOf(config: Config, own: KubeNode, before: Parting | undefined): Parting {
    const world = partingWorld(departures, config, own)
    const survey = routingSurveyOf({ config: world.config, nodes: new Map([[node, world.node]]) })
    return { world, survey, plan: undefined, before: before?.plan ?? before?.before }
  }

  function tellDepartures(before: Departures): void {
    const advertisements = [...departures.advertisements.keys()].filter(name => !before.advertisements.has(name))
    const peers = [...departures.peers.keys()].filter(name => !before.peers.has(name))
    if (advertisements.length + peers.length === 0) return
    log.info(
      { advertisements, peers, dwellMs: options.dwellMs },
      'this node is taken out of use: routers are told first',
    )
  }

  function settlePeers(): void {
    const own = parting?.world.node ?? sources.nodes.get(node)
    const config = parting?.world.config ?? sources.config()
    const secrets = own ? secretsOfNode(config, own) : noSecrets
    passwords.follow(secrets)
    const known = passwords.known()
    peers = own ? peersOfNode(config, own, known) : []
    // In a moment they will be read, and there may be no problem at all.
    if ([...secrets].every(name => known.has(name))) tellProblems()
  }

  function tellProblems(): void {
    const problems = new Map(peers.flatMap(({ name, problem }) => (problem === undefined ? [] : [[name, problem]])))
    for (const [peer, problem] of problems) {
      if (problem !== toldProblems.get(peer)) log.warn({ peer, problem }, 'a BGP peer cannot have a session')
    }
    toldProblems = problems
  }

  function settleRoutes(): void {
    const only = survey && plan ? new Set(touched) : undefined
    touched.clear()
    survey ??= routingSurveyOf({
      config: sources.config(),
      nodes: new Map(Array.from(sources.nodes.values(), one => [one.name, one])),
    })
    const before = plan
    plan = planRoutes({ survey, services: services(only), only, node, leaving: options.isDrained(), before })
    tellConflicts(plan, before)
    if (phase === 'leaving') farewell = planFarewell(survey, farewell && only, farewell)
    if (parting) parting.plan = planFarewell(parting.survey, parting.plan && only, parting.plan ?? parting.before)
    saying = sayingOf(farewell ?? plan, parting?.plan, saying)
  }

  function planFarewell(
    survey: RoutingSurvey,
    only: ReadonlySet<ServiceKey> | undefined,
    before: RoutePlan | undefined,
  ): RoutePlan {
    return planRoutes({ survey, services: services(only), only, node, leaving: true, before })
  }

  /** Each once for as long as it lasts; the condition of a Service knows only of those within itself. */
  function tellConflicts({ conflicts }: RoutePlan, before: RoutePlan | undefined): void {
    const known = new Set(before?.conflicts)
    const news = conflicts.filter(conflict => !known.has(conflict))
    if (news.length === 0) return
    log.warn({ conflicts: news.slice(0, 10).map(formatConflict), count: news.length }, 'BGPAdvertisements disagree')
  }

  /** All, or of these all that there are. */
  function* services(only: Iterable<ServiceKey> | undefined) {
    const list = only ? Array.from(only, key => sources.services.get(key)) : sources.services.values()
    for (const service of list) if (service) yield { service, endpoints: endpoints.of(service.key) }
  }

  /** What each peer is to hear; a peer that is missing hears nothing yet, not even that this was all. */
  function routesByPeer(): ReadonlyMap<string, readonly Route[]> {
    if (!plan || !farewell) return saying?.routesByPeer ?? noRoutes
    const routes = new Map(saying?.routesByPeer)
    for (const name of bridged) routes.set(name, plan.routesByPeer.get(name) ?? [])
    return routes
  }

  function apply(): void {
    const configured = peers.flatMap(({ settings }) => (settings ? [settings] : []))
    if (!bgp && configured.length > 0) open()
    bgp?.configure(configured, routesByPeer())
    settleBfd()
  }

  function open(): void {
    if (opening) return
    opening = true
    void opened()
  }

  async function opened(): Promise<void> {
    bgp = await options.openBgp({ log, onChange: onBgpChange })
    wake()
  }

  function onBgpChange(): void {
    if (phase === 'stopped') return
    settleBfd()
    options.onChange()
  }

  function settleBfd(): void {
    bfd.settle(peers, bgp?.state() ?? [], options.interfaces())
  }

  /** What happens to a session that BFD has lost: it begins anew, and its routes are gone until it stands again. */
  function takeBfd(status: BfdSessionStatus): void {
    const fell = bfd.take(status)
    for (const peer of fell) {
      log.warn({ peer }, 'BFD has lost the router')
      bgp?.reset(peer, notification('bfdDown'))
    }
    options.onChange()
  }

  function view(): RouterView {
    if (lastView) return lastView
    const statuses = new Map(bgp?.state().map(status => [status.name, status]))
    const list = peers.map(peer => ({ peer, status: statuses.get(peer.name), bfd: bfd.statusOf(peer.name) }))
    return { node, peers: list, plan }
  }

  async function leave(): Promise<void> {
    if (phase !== 'working') return
    phase = 'leaving'
    // A node that is drained is about to go as a whole: routers that waited for its speaker would lose what they send it.
    farewellKind = sources.nodes.get(node)?.unschedulable ? 'shutdown' : 'restart'
    const standing = bgp?.state().filter(status => status.state === 'Established') ?? []
    const keepers = standing.filter(({ session }) => session?.negotiated.gracefulRestart !== undefined)
    bridged = new Set(farewellKind === 'restart' ? keepers.map(({ name }) => name) : [])
    loop.runNow()
    const told = standing.filter(({ name }) => !bridged.has(name) && (saying?.routesByPeer.get(name)?.length ?? 0) > 0)
    if (told.length > 0) {
      log.info({ peers: told.map(({ name }) => name) }, 'routers are told that this node is about to go')
      await sleep(options.dwellMs)
    }
    await stop()
  }

  async function stop(): Promise<void> {
    // How they all end is not what people should see last.
    lastView ??= view()
    phase = 'stopped'
    loop.stop()
    const communication = `Berth is stopping on node ${node}`
    await Promise.all([bgp?.stop({ kind: farewellKind, communication }), passwords.stop()])
  }

  return {
    wake,
    takeBfd,
    view,
    leave,
    stop,
    get state() {
      return loop.state
    },
  }
}
