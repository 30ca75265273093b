/**
 * A router in a lab: real FRR between the segment and a network of its own, in which there is another client.
 *
 *     remote client ── router ─┬─ node-1
 *      198.18.0.10  .1     .1  ├─ node-2       the segment, 192.0.2.0/24, 2001:db8:0:2::/64
 *      2001:db8:0:18::10       └─ node-3
 *
 * It takes every node that it is connected to as a neighbour in BGP, and spreads packets over all that announce an address, by the hash
 * of addresses and ports (ECMP). The nodes' way back to the client leads through it.
 */
import type { ChildProcess } from 'node:child_process'
import { frr as make } from '../interop/frr.ts'
import { type FrrDaemon, startFrr } from '../interop/frr-daemons.ts'
import { whyNotInstalled } from '../interop/router.ts'
import type { Lab } from './lab.ts'
import type { Namespace } from './namespace.ts'
import type { LabHost, LabNode } from './node.ts'
import { batch, createSegment, sysctl } from './segment.ts'
import { whyNoLab } from './tools.ts'

export interface LabRouter {
  /** The router itself; its interface is the one on the segment. */
  readonly host: LabHost
  /** The machine behind it. */
  readonly client: LabHost
  /** Takes a node as a neighbour, and is its default route from then on; done already for the nodes that the lab had. */
  connect(node: LabNode): Promise<void>
  /** Asks FRR, as one would at its command line. */
  show(command: string): Promise<string>
  /** More lines of its BGP configuration. */
  configure(...lines: readonly string[]): Promise<void>
  /** What state the session with each node is in, by the node's name: `Established`, `Active`, … */
  sessions(): Promise<Readonly<Record<string, string>>>
  /** What BFD with each node is in, by the node's name: `up`, `down`, `init`, `shutdown`. */
  bfdSessions(): Promise<Readonly<Record<string, string>>>
  /** Where its kernel sends packets for a prefix (an address = it alone): each node's weight, by name; empty without a route. */
  nextHops(prefix: string): Promise<Readonly<Record<string, number>>>
  /** One of its programs, to freeze or to kill. */
  process(daemon: FrrDaemon): ChildProcess
}

export interface LabRouterOptions {
  /** The addresses that the sessions are between (IPv4 where nothing is said); routes of both families go over either. */
  readonly over?: 'IPv4' | 'IPv6'
  /** Its own timers of BFD; without them it does without BFD. */
  readonly bfd?: { readonly intervalMs: number; readonly detectMultiplier: number }
  /** What it makes of link bandwidth that some routes do not carry, in FRR's words; it asks for all or takes equal shares otherwise. */
  readonly bandwidth?: 'ignore' | 'skip-missing' | 'default-weight-for-missing'
  /** 9 where nothing is said. */
  readonly holdTimeSeconds?: number
}

/** The router's AS number, and the one that it expects of nodes. */
export const routerAs = 64513
export const nodesAs = 64512

const segmentLeg = { ipv4: '192.0.2.1', ipv6: '2001:db8:0:2::1', mac: '00:00:5e:00:53:01' } as const
const farLeg = { ipv4: '198.18.0.1', ipv6: '2001:db8:0:18::1', mac: '00:00:5e:00:53:02' } as const
const farClient = { ipv4: '198.18.0.10', ipv6: '2001:db8:0:18::10', mac: '00:00:5e:00:53:03' } as const

/** Why there can be no lab with a router on this machine; undefined where there can. Installs FRR where that is possible. */
export async function whyNoRouter(progress?: (line: string) => void): Promise<string | undefined> {
  const noLab = await whyNoLab(progress)
  if (noLab !== undefined) return noLab
  if (process.getuid?.() !== 0) return 'FRR runs as a user of its own, and only root can start it so'
  return await whyNotInstalled(make)
}

/** Starts it in a lab and connects the nodes; it ends with the lab. */
export async function startLabRouter(
  lab: Pick<Lab, 'world' | 'segment' | 'nodes' | 'onStop'>,
  options: LabRouterOptions = {},
): Promise<LabRouter> {
  const host = hostOf(await lab.world.createNamespace(), 'router', segmentLeg)
  const client = hostOf(await lab.world.createNamespace(), 'remote-client', farClient)
  const far = await createSegment(lab.world)
  await lab.segment.attach(host.namespace, { port: 'router', interface: 'eth0', ...leg(segmentLeg) })
  await far.attach(host.namespace, { port: 'router', interface: 'eth1', ...leg(farLeg) })
  await far.attach(client.namespace, { port: 'client', interface: 'eth0', ...leg(farClient) })
  await routeByDefault(client.namespace, farLeg)
  await sysctl(host.namespace, {
    'net.ipv4.ip_forward': 1,
    'net.ipv6.conf.all.forwarding': 1,
    // Ports count too; by addresses alone, which is the kernel's default, one client would always be sent to one node.
    'net.ipv4.fib_multipath_hash_policy': 1,
    'net.ipv6.fib_multipath_hash_policy': 1,
  })
  const frr = await startFrr(host, ['bgpd', 'bfdd'], configuration(options))
  lab.onStop(() => frr.end('SIGKILL'))
  /** Names of nodes by all addresses that may stand for them in a table. */
  const names = new Map<string, string>()
  const nameOf = (address: string): string => names.get(address) ?? address
  const configure: LabRouter['configure'] = (...lines) => frr.configure(`router bgp ${routerAs}`, ...lines)
  const connect: LabRouter['connect'] = async node => {
    for (const address of await addressesOf(node)) names.set(address, node.name)
    await routeByDefault(node.namespace, segmentLeg)
    await configure(`neighbor ${options.over === 'IPv6' ? node.ipv6 : node.ipv4} peer-group nodes`)
  }
  for (const node of lab.nodes) await connect(node)
  return {
    host,
    client,
    connect,
    show: command => frr.ask(command),
    configure,
    async sessions() {
      const summary = (await frr.json('show bgp ipv4 unicast summary json')) as FrrSummary
      return Object.fromEntries(Object.entries(summary.peers ?? {}).map(([peer, { state }]) => [nameOf(peer), state]))
    },
    async bfdSessions() {
      const peers = (await frr.json('show bfd peers json')) as readonly FrrBfdPeer[]
      return Object.fromEntries(peers.map(({ peer, status }) => [nameOf(peer), status]))
    },
    async nextHops(prefix) {
      const family = prefix.includes(':') ? '-6' : '-4'
      const text = await host.namespace.run(['ip', family, '-json', 'route', 'show', prefix])
      const hops = (JSON.parse(text || '[]') as KernelRoute[]).flatMap(route => route.nexthops ?? [route])
      return Object.fromEntries(hops.map(({ gateway, weight }) => [nameOf(gateway ?? 'nowhere'), weight ?? 1]))
    },
    process(daemon) {
      const process = frr.daemons[daemon]
      if (process === undefined) throw new Error(`the router has no ${daemon}`)
      return process
    },
  }
}

interface FrrSummary {
  readonly peers?: Readonly<Record<string, { readonly state: string }>>
}

interface FrrBfdPeer {
  readonly peer: string
  readonly status: string
}

interface NextHop {
  readonly gateway?: string
  readonly weight?: number
}

/** Of `ip -json route`: one next hop stands in the route itself. */
interface KernelRoute extends NextHop {
  readonly nexthops?: readonly NextHop[]
}

interface Leg {
  readonly ipv4: string
  readonly ipv6: string
  readonly mac: string
}

function hostOf(namespace: Namespace, name: string, leg: Leg): LabHost {
  return { name, namespace, interface: 'eth0', ...leg, exec: namespace.exec, spawn: namespace.spawn }
}

function leg({ ipv4, ipv6, mac }: Leg): { readonly mac: string; readonly addresses: readonly string[] } {
  return { mac, addresses: [`${ipv4}/24`, `${ipv6}/64`] }
}

async function routeByDefault(namespace: Namespace, { ipv4, ipv6 }: Leg): Promise<void> {
  await batch(namespace, [`route replace default via ${ipv4}`, `route replace default via ${ipv6}`])
}

/** The node's addresses on the segment, the link-local one too: that is what a router takes as the next hop of IPv6 routes. */
async function addressesOf(node: LabNode): Promise<readonly string[]> {
  const text = await node.namespace.run(['ip', '-json', 'address', 'show', 'dev', node.interface])
  const links = JSON.parse(text) as readonly { readonly addr_info: readonly { readonly local: string }[] }[]
  return links.flatMap(link => link.addr_info.map(({ local }) => local))
}

/** Each daemon reads all of it and takes what is its own. */
function configuration({ bfd, bandwidth, holdTimeSeconds = 9 }: LabRouterOptions): readonly string[] {
  const nodes = (text: string): string => ` neighbor nodes ${text}`
  return [
    'hostname router',
    `router bgp ${routerAs}`,
    ` bgp router-id ${segmentLeg.ipv4}`,
    // What it hears of nodes it takes, as a router in a rack would by a route-map that permits the pools.
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ...(bandwidth === undefined ? [] : [` bgp bestpath bandwidth ${bandwidth}`]),
    nodes('peer-group'),
    nodes(`remote-as ${nodesAs}`),
    nodes(`timers ${Math.max(1, Math.floor(holdTimeSeconds / 3))} ${holdTimeSeconds}`),
    nodes('timers connect 1'),
    nodes('advertisement-interval 0'),
    ...(bfd === undefined ? [] : [nodes('bfd'), nodes('bfd profile lab')]),
    ...['ipv4', 'ipv6'].flatMap(family => [
      ` address-family ${family} unicast`,
      `  ${nodes('activate')}`,
      '  maximum-paths 16',
      ' exit-address-family',
    ]),
    ...(bfd === undefined
      ? []
      : [
          'bfd',
          ' profile lab',
          `  transmit-interval ${bfd.intervalMs}`,
          `  receive-interval ${bfd.intervalMs}`,
          `  detect-multiplier ${bfd.detectMultiplier}`,
        ]),
  ]
}
