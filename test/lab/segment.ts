import type { Namespace, World } from './namespace.ts'

/** One Ethernet segment: a bridge in a namespace of its own, so that nothing of it can reach the machine's networks. */
export interface Segment {
  readonly namespace: Namespace
  attach(host: Namespace, options: AttachOptions): Promise<Cable>
}

export interface AttachOptions {
  /** Names the bridge's port; unique on the segment. */
  readonly port: string
  /** What the host calls its end. */
  readonly interface: string
  readonly mac: string
  /** With prefix length. */
  readonly addresses: readonly string[]
}

/** The link between a host and a segment. */
export interface Cable {
  /** `unplugged`: the host sees its carrier go. `silent`: the port drops everything and the host sees nothing. */
  readonly cut: (how?: 'unplugged' | 'silent') => Promise<void>
  readonly heal: () => Promise<void>
}

/** Makes a segment; with `addresses` the bridge itself is a station on it. */
export async function createSegment(world: World, addresses: readonly string[] = []): Promise<Segment> {
  const namespace = await world.createNamespace()
  await quietNetwork(namespace)
  // No snooping: with no querier on the segment it would only delay Neighbor Discovery's multicasts.
  await batch(namespace, [
    'link add bridge type bridge forward_delay 0 mcast_snooping 0',
    ...addresses.map(address => addAddress(address, 'bridge')),
    'link set bridge up',
  ])
  return {
    namespace,
    async attach(host, options) {
      await quietNetwork(host)
      await batch(namespace, [
        `link add name ${options.port} type veth peer name ${options.interface} netns ${host.pid}`,
        `link set dev ${options.port} master bridge up`,
      ])
      await batch(host, [
        `link set dev ${options.interface} address ${options.mac}`,
        `link set dev ${options.interface} up`,
        ...options.addresses.map(address => addAddress(address, options.interface)),
      ])
      return cableOf(namespace, options.port)
    },
  }
}

function addAddress(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`
}

function cableOf(segment: Namespace, port: string): Cable {
  let silent = false
  return {
    async cut(how = 'unplugged') {
      if (how === 'unplugged') {
        await segment.run(['ip', 'link', 'set', 'dev', port, 'down'])
      } else {
        await segment.run(['bridge', 'link', 'set', 'dev', port, 'state', 'disabled'])
        silent = true
      }
    },
    async heal() {
      // A port that comes up forwards by itself, some moments later.
      await segment.run(['ip', 'link', 'set', 'dev', port, 'up'])
      if (silent) await segment.run(['bridge', 'link', 'set', 'dev', port, 'state', 'forwarding'])
      silent = false
    },
  }
}

/** Runs several `ip` commands at once. */
export async function batch(namespace: Namespace, commands: readonly string[]): Promise<void> {
  await namespace.run(['ip', '-batch', '-'], { input: `${commands.join('\n')}\n` })
}

/** Sets kernel parameters of a namespace; without `sysctl`, which small machines lack. */
export async function sysctl(namespace: Namespace, settings: Readonly<Record<string, string | number>>): Promise<void> {
  const writes = Object.entries(settings).map(
    ([name, value]) => `echo ${value} >/proc/sys/${name.replaceAll('.', '/')}`,
  )
  await namespace.run(['sh', '-c', writes.join(' && ')])
}

/** No duplicate address detection and no router solicitations: a lab starts in milliseconds, and captures show only what is tested. */
async function quietNetwork(namespace: Namespace): Promise<void> {
  await sysctl(namespace, {
    'net.ipv6.conf.all.accept_dad': 0,
    'net.ipv6.conf.default.accept_dad': 0,
    'net.ipv6.conf.all.accept_ra': 0,
    'net.ipv6.conf.default.accept_ra': 0,
    'net.ipv6.conf.default.router_solicitations': 0,
    'net.ipv4.conf.all.rp_filter': 0,
    'net.ipv4.conf.default.rp_filter': 0,
  })
}
