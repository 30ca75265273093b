import { pino } from 'pino'
import { until } from '../../controller/test-cluster.ts'
import { resourcePath } from '../../crds/resources.ts'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport } from '../../kube/transport.ts'
import type { BfdSessionSettings } from '../../speaker/bfd/messages.ts'
import { formatPrefix } from '../../speaker/bgp/route.ts'
import type { RouterView } from '../../speaker/routing/router.ts'
import { createSpeaker, type Speaker } from '../../speaker/speaker.ts'
import { createSegment } from '../../speaker/test-segment.ts'
import { nodes } from './bgp-changes.ts'
import { berthKind, namespace } from './changes.ts'
import type { Live } from './live.ts'
import { type Heard, identifierOf, type LoopbackRouter } from './routers.ts'

/*
 * Whole speakers in this process, one for each node, whose routers are on loopback: what those were told is what happened.
 */

export interface Speakers {
  /**
   * Waits until every speaker has seen all that was done before, and has said to its routers what it made of it. `address` is
   * the one that the Service sentinel/asks has.
   */
  settle(address: string): Promise<void>
  /** By `node peer`, every session that stands. */
  sessions(): ReadonlyMap<string, StandingSession>
  stop(): Promise<void>
}

/** A session as its router sees it. */
export interface StandingSession extends Heard {
  /** How BFD is to watch it; empty where it is not. */
  readonly bfd: string
}

interface Running {
  readonly node: string
  readonly identifier: number
  readonly speaker: Speaker
  bfd: readonly BfdSessionSettings[]
  end(): Promise<void>
}

/** A peer that nobody listens to: what it would be told shows how far a speaker has seen. */
const sentinel = 'zz-router'

export async function startSpeakers(
  live: Live,
  kubeconfig: string,
  routers: readonly LoopbackRouter[],
): Promise<Speakers> {
  const segment = createSegment()
  let ticks = 0

  async function start(node: string, address: string): Promise<Running> {
    const object = { metadata: { name: node, labels: { rack: 'a' } } }
    await live.post('/api/v1/nodes', object)
    await live.patch(`/api/v1/nodes/${node}/status`, { status: { addresses: [{ type: 'InternalIP', address }] } })
    const stop = new AbortController()
    const transport = createTransport(await loadCredentials(kubeconfig))
    const startWire = segment.wireOf(node)
    const speaker = createSpeaker({
      transport,
      startWire: options => {
        const wire = startWire(options)
        return {
          ...wire,
          send(command) {
            if (command.kind === 'bfd') running.bfd = command.sessions
            wire.send(command)
          },
        }
      },
      node,
      namespace,
      // The test must be able to stall for a while without anybody being taken for dead.
      leaseDurationSeconds: 60,
      renewPeriodSeconds: 10,
      handOverTimeoutSeconds: 0,
      bgpDwellSeconds: 0,
      cluster: undefined,
      drain: { cordoned: true, taints: [] },
      kubeProxyHealthz: undefined,
      log: pino({ level: process.env['BERTH_TEST_LOG'] ?? 'silent', base: { node } }),
    })
    const ended = speaker.run(stop.signal).finally(() => transport.close())
    const running: Running = {
      node,
      identifier: identifierOf(address),
      speaker,
      bfd: [],
      end() {
        stop.abort()
        return ended
      },
    }
    return running
  }

  /** Of each kind that decides what routers are told something is changed. */
  async function tick(): Promise<number> {
    const now = ++ticks
    const parity = now % 2 === 0 ? 'even' : 'odd'
    const change = (kind: Parameters<typeof resourcePath>[0], name: string, spec: object) =>
      live.patch(`${resourcePath(kind, namespace)}/${name}`, { spec })
    await Promise.all([
      change('Community', 'zz-tick', { communities: [{ name: 'zz-tick', value: `65001:${now}` }] }),
      change('BGPAdvertisement', `zz-${parity}`, { communities: ['zz-tick', `65002:${now}`, `65003:${now % 2}`] }),
      change('BGPPeer', sentinel, { connectTime: `${1 + (now % 1_000)}s` }),
      change('BFDProfile', 'zz-tick', { detectMultiplier: 2 + (now % 200) }),
      ...nodes.map(node => live.patch(`/api/v1/nodes/${node}`, { metadata: { labels: { tick: parity } } })),
    ])
    return now
  }

  function hasSeen({ peers, plan }: RouterView, now: number, address: string): boolean {
    const routes = plan?.routesByPeer.get(sentinel) ?? []
    const route = routes.find(({ prefix }) => formatPrefix(prefix) === `${address}/32`)
    // The third is seen by the label of the node.
    const wanted = [65_001 * 65_536 + now, 65_002 * 65_536 + now, 65_003 * 65_536 + (now % 2)]
    const peer = peers.find(({ peer }) => peer.name === sentinel)?.peer
    return (
      wanted.every(community => route?.communities.includes(community)) &&
      peer?.settings?.connectRetryTimeSeconds === 1 + (now % 1_000) &&
      peer.profile?.detectMultiplier === 2 + (now % 200)
    )
  }

  /** The sessions of a node by peer, as their routers see them; those that are being built or ended are another number. */
  function heardBy({ speaker, identifier }: Running) {
    const peers = speaker.health().routing.peers.filter(({ peer }) => peer.name !== sentinel && peer.settings)
    return peers.map(({ peer, status }) => {
      const router = routers.find(({ port }) => port === peer.settings?.port)
      return { name: peer.name, status, heard: router?.heardFrom(identifier) ?? [] }
    })
  }

  /** Whether every session that is configured stands and no other, and what was said over it has arrived. */
  function isQuiet(running: Running): boolean {
    const sessions = heardBy(running)
    const open = routers.reduce((count, router) => count + router.heardFrom(running.identifier).length, 0)
    return (
      open === sessions.length &&
      sessions.every(({ status, heard: [only] }) => {
        return status?.state === 'Established' && status.messages.sent.update === only?.updates
      })
    )
  }

  const made: readonly (readonly [Parameters<typeof resourcePath>[0], string, object])[] = [
    ['Community', 'zz-tick', { communities: [] }],
    ['BFDProfile', 'zz-tick', {}],
    ['BGPPeer', sentinel, { myASN: 64512, peerASN: 64513, peerAddress: '127.1.0.99', bfdProfile: 'zz-tick' }],
    ...(['even', 'odd'] as const).map(parity => {
      const nodeSelectors = [{ matchLabels: { tick: parity } }]
      const spec = { ipAddressPools: ['zz-pool'], peers: [sentinel], nodeSelectors }
      return ['BGPAdvertisement', `zz-${parity}`, spec] as const
    }),
  ]
  for (const [kind, name, spec] of made) {
    await live.post(resourcePath(kind, namespace), { ...berthKind(kind), metadata: { name }, spec })
  }
  const slice = {
    metadata: { name: 'asks-1', labels: { 'kubernetes.io/service-name': 'asks' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.200.0.1'], nodeName: nodes[0] }],
  }
  await live.post('/apis/discovery.k8s.io/v1/namespaces/sentinel/endpointslices', slice)
  const running = await Promise.all(nodes.map((node, index) => start(node, `198.51.100.${11 + index}`)))

  return {
    async settle(address) {
      const now = await tick()
      const seen = () => running.every(({ speaker }) => hasSeen(speaker.health().routing, now, address))
      await until(async () => seen() || undefined, `the speakers have seen everything up to ${now}`, 60_000)
      await until(async () => running.every(isQuiet) || undefined, 'the routers have been told everything', 60_000)
    },
    sessions() {
      const all = running.flatMap(one =>
        heardBy(one).flatMap(({ name, heard: [only] }) => {
          const bfd = one.bfd.find(session => session.name === name)
          // A map of its own: the router's goes on changing.
          return only
            ? [[`${one.node} ${name}`, { ...only, routes: new Map(only.routes), bfd: textOf(bfd) }] as const]
            : []
        }),
      )
      return new Map(all)
    },
    async stop() {
      await Promise.all(running.map(one => one.end()))
    },
  }
}

function textOf(session: BfdSessionSettings | undefined): string {
  return session ? JSON.stringify(session) : ''
}
