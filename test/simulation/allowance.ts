import type { Cluster } from './cluster.ts'
import type { Allowance } from './monitor.ts'

/*
 * What docs/layer2.md allows, for one state of networks and nodes that lasts. Each number is a bound that follows from the
 * settings; the reasons are there.
 */

/** Nodes that can talk to each other. */
export interface Part {
  readonly nodes: readonly string[]
  /** All, none or some of them reach the API server. */
  readonly api: 'all' | 'none' | 'some'
  /** Of the members: more than half, half, or fewer. */
  readonly share: 'most' | 'half' | 'few'
}

export function allowanceOf(cluster: Cluster, side: number): Allowance {
  const { network, settings } = cluster
  const parts = partsOf(cluster)
  const detectionMs = settings.intervalMs * settings.detectMultiplier
  const cutOffMs = Math.min(2_000, settings.leaseDurationMs / 5)
  // Somewhere a Lease has to run out: after it was seen last, and then an own renewal has to come back.
  const leaseMs = settings.leaseDurationMs + settings.renewPeriodMs + 2_000
  const strong = parts.filter(part => part.api !== 'none' || part.share !== 'few')
  const unsure = network.isTangled || parts.some(part => part.api === 'some')
  // An owner that cannot be heard is not heard answering, and what would tell it of its heir is the record.
  const inVain = network.isTangled ? undefined : 15_000
  const two = parts.every(part => part.api === 'all') ? 3_000 : inVain
  const able = strong.filter(part => part.nodes.some(node => isAble(cluster, node, side)))
  const whole =
    new Set(
      living(cluster)
        .filter(network.hasCarrier)
        .map(node => network.sideOf('segment', node)),
    ).size < 2
  const [part] = able
  if (!part) return { none: undefined, two }
  if (!whole && (strong.length > 1 || !part.nodes.every(node => network.sideOf('segment', node) === side))) {
    return { none: undefined, two }
  }
  // Who dies while others start anew is not known for dead before its Lease is over: those who start hear nobody yet.
  if (parts.length > 1 || unsure || part.api === 'all') return { none: leaseMs, two }
  const tie = part.share === 'half' ? 3_000 : 0
  return { none: detectionMs + cutOffMs + tie + 1_500, two }
}

function living({ names, machines }: Cluster): readonly string[] {
  return names.filter(name => {
    const machine = machines.get(name)
    return machine?.process?.main.joined && !machine.isFrozen
  })
}

/** Whether a node can answer on that part of the segment. */
export function isAble({ api, network, machines }: Cluster, node: string, side: number): boolean {
  const labels = api.config.nodes.get(node)?.labels ?? {}
  const excluded = 'node.kubernetes.io/exclude-from-external-load-balancers' in labels
  // What others know of its link is what its Lease says, and without the API server that may be old.
  const known = api.leases.get(node)?.facts.interfaces.some(({ carrier }) => carrier) ?? false
  const upToDate = machines.get(node)?.process?.main.isUpToDate ?? false
  // Without an endpoint of its own a node has no use for a Local Service; all are, or none is.
  const [service] = api.config.services
  const isOff = service?.externalTrafficPolicy === 'Local' && !api.config.endpoints(service).usableByNode.has(node)
  return (
    !excluded && !isOff && known && upToDate && network.hasCarrier(node) && network.sideOf('segment', node) === side
  )
}

export function partsOf(cluster: Cluster): readonly Part[] {
  const { network, machines } = cluster
  const left = new Set(living(cluster))
  const parts: Part[] = []
  for (const first of left) {
    const found = new Set([first])
    for (const node of found) {
      for (const other of left) {
        if (network.passes('nodes', node, other) && network.passes('nodes', other, node)) found.add(other)
      }
    }
    for (const node of found) left.delete(node)
    const nodes = [...found]
    const reaching = nodes.filter(network.reachesApi).length
    const members = Math.max(...nodes.map(node => machines.get(node)?.process?.main.memberCount ?? 0))
    const share = nodes.length * 2 > members ? 'most' : nodes.length * 2 === members ? 'half' : 'few'
    parts.push({ nodes, api: reaching === nodes.length ? 'all' : reaching === 0 ? 'none' : 'some', share })
  }
  return parts
}
