import type { World } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { plug } from '../wire/hosts.ts'

/** Two machines with a router between them: packets arrive with a TTL of one less. */
export interface Chain {
  /** 192.0.2.1 and 2001:db8:0:2::1. */
  readonly node: LabHost
  /** The router between: 192.0.2.254 and 2001:db8:0:2::254 on the node's side. */
  readonly middle: LabHost
  /** 203.0.113.2 and 2001:db8:0:3::2. */
  readonly router: LabHost
}

export async function createChain(world: World): Promise<Chain> {
  const node = await host(world, 'node', { ipv4: '192.0.2.1', ipv6: '2001:db8:0:2::1' })
  const middle = await host(world, 'middle', { ipv4: '192.0.2.254', ipv6: '2001:db8:0:2::254' })
  const router = await host(world, 'router', { ipv4: '203.0.113.2', ipv6: '2001:db8:0:3::2' })
  await plug({ node, client: middle }, 'eth0', '02:00:00:00:01:01', '02:00:00:00:01:02')
  await plug({ node: middle, client: router }, 'eth1', '02:00:00:00:02:01', '02:00:00:00:02:02')
  const commands: readonly (readonly [LabHost, string])[] = [
    [node, 'addr add 192.0.2.1/24 dev eth0'],
    [node, 'addr add 2001:db8:0:2::1/64 dev eth0'],
    [middle, 'addr add 192.0.2.254/24 dev eth0'],
    [middle, 'addr add 2001:db8:0:2::254/64 dev eth0'],
    [middle, 'addr add 203.0.113.254/24 dev eth1'],
    [middle, 'addr add 2001:db8:0:3::254/64 dev eth1'],
    [router, 'addr add 203.0.113.2/24 dev eth1'],
    [router, 'addr add 2001:db8:0:3::2/64 dev eth1'],
    [node, 'route add 203.0.113.0/24 via 192.0.2.254'],
    [node, 'route add 2001:db8:0:3::/64 via 2001:db8:0:2::254'],
    [router, 'route add 192.0.2.0/24 via 203.0.113.254'],
    [router, 'route add 2001:db8:0:2::/64 via 2001:db8:0:3::254'],
  ]
  for (const [where, command] of commands) await where.namespace.run(['ip', ...command.split(' ')])
  await middle.namespace.run(['sysctl', '-q', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
  return { node, middle, router }
}

async function host(world: World, name: string, addresses: Pick<LabHost, 'ipv4' | 'ipv6'>): Promise<LabHost> {
  const namespace = await world.createNamespace()
  await namespace.run(['sysctl', '-q', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'])
  return { name, namespace, interface: 'eth0', mac: '', ...addresses, exec: namespace.exec, spawn: namespace.spawn }
}
