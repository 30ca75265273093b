import { afterAll, afterEach, beforeAll, describe, test } from 'vitest'
import type { PeerStatus } from '../../speaker/bgp/status.ts'
import { createWorld, type World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createTwoHosts, type TwoHosts } from '../wire/hosts.ts'
import { type BerthProcess, startBerth } from './berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { gobgp } from './gobgp.ts'
import { type Router, type RouterMake, type RouterSettings, type SeenRoute, whyNotInstalled } from './router.ts'
import { until } from './until.ts'

/** The router's side of the most ordinary session. */
export const routerSettings: RouterSettings = {
  localAs: 64513,
  peerAs: 64512,
  local: '192.0.2.2',
  remote: '192.0.2.1',
  holdTimeSeconds: 9,
  families: ['IPv4', 'IPv6'],
}

/** Where Berth and the router run. */
export interface Places {
  readonly node: LabHost
  readonly router: LabHost
}

/** Two machines and a cable: Berth's BGP on 192.0.2.1, a router of some make on 192.0.2.2. */
export interface Stage {
  readonly make: RouterMake
  readonly world: () => World
  readonly hosts: () => TwoHosts
  /** A router and Berth, each with the ordinary settings but for these; both end with the test. */
  readonly start: (settings?: Partial<RouterSettings>, places?: Places) => Promise<Started>
  /** One more router; it ends with the test. */
  readonly startRouter: (settings?: Partial<RouterSettings>, host?: LabHost) => Promise<Router>
}

export interface Started {
  readonly router: Router
  readonly berth: BerthProcess
}

/**
 * Defines the same tests for every make that can be had here, and prints why the others cannot. The tests beside one
 * make follow one another, the makes go on side by side: most of the time all of them wait for some timer.
 */
export async function besideEachRouter(define: (stage: Stage) => void, makes = [frr, bird, gobgp]): Promise<void> {
  const noLab = await whyNoLab()
  for (const make of makes) {
    const obstacle = noLab ?? (await whyNotInstalled(make))
    if (obstacle !== undefined) console.warn(`skipped: Berth beside ${make.name}: ${obstacle}`)
    describe.skipIf(obstacle !== undefined)(make.name, { concurrent: true }, () => {
      describe('beside Berth', { concurrent: false }, () => {
        define(prepareStage(make))
      })
    })
  }
}

/** A test of what only some makes can do: where one cannot, there is nothing to test, and so nothing to skip. */
export function testWhere(can: boolean, name: string, run: () => Promise<void>): void {
  if (can) test(name, run)
}

function prepareStage(make: RouterMake): Stage {
  let world: World
  let hosts: TwoHosts
  // Vitest’s own onTestFinished does not know whose it is where tests run side by side.
  const routers: Router[] = []
  const nodes = new Set<LabHost>()
  beforeAll(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    // As on a node that forwards packets: its kernel makes no addresses of the Router Advertisements that FRR sends.
    await hosts.node.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.accept_ra=0'])
  })
  afterAll(() => world.end())
  afterEach(async () => {
    const berths = [...nodes].map(({ namespace }) => namespace.killAll())
    await Promise.all([...berths, ...routers.splice(0).map(router => router.kill())])
  })
  const startRouter: Stage['startRouter'] = async (settings = {}, host = hosts.client) => {
    const router = await make.start(host, { ...routerSettings, ...settings })
    routers.push(router)
    return router
  }
  return {
    make,
    world: () => world,
    hosts: () => hosts,
    startRouter,
    async start(settings, { node, router: host } = { node: hosts.node, router: hosts.client }) {
      nodes.add(node)
      const [router, berth] = await Promise.all([startRouter(settings, host), startBerth(node)])
      return { router, berth }
    },
  }
}

/** The routes that the router has, when there are so many; sorted by prefix. */
export async function seen(router: Router, count: number): Promise<readonly SeenRoute[]> {
  const routes = await until(
    `${count} routes`,
    () => router.routes(),
    list => list.length === count,
    30_000,
  )
  return [...routes].sort((one, other) => (one.prefix < other.prefix ? -1 : 1))
}

/** What Berth says of its first peer. */
export async function berthState(berth: BerthProcess): Promise<PeerStatus> {
  const [status] = await berth.state()
  if (!status) throw new Error('no peer')
  return status
}

/** From now on the machine hears nothing, though its cable has carrier; or it hears again. */
export async function deafen(host: LabHost, isDeaf: boolean): Promise<void> {
  const rules = isDeaf ? 'table inet deaf { chain in { type filter hook input priority 0; policy drop; }; }' : ''
  await host.namespace.run(['nft', '-f', '-'], { input: `table inet deaf; delete table inet deaf; ${rules}` })
}

/** One of the kernel's counters of a host, by where it stands (`Tcp OutRsts`, `TcpExt TCPMD5Failure`). */
export async function counter(host: LabHost, group: string, name: string): Promise<number> {
  const lines = (await host.namespace.run(['cat', '/proc/net/snmp', '/proc/net/netstat']))
    .split('\n')
    .filter(line => line.startsWith(`${group}:`))
  const [names = [], values = []] = lines.map(line => line.split(' '))
  return Number(values[names.indexOf(name)] ?? 0)
}
