import type { Service } from '../../kube/service.ts'
import { endpointsOn, node as nodeFacts } from '../../speaker/test-values.ts'
import type { Random } from '../seeded-random.ts'
import { allowanceOf } from './allowance.ts'
import type { Cluster } from './cluster.ts'
import type { Allowance } from './monitor.ts'
import type { Cable } from './network.ts'
import { allowanceOfSingle, type Single } from './single.ts'

/** One thing that goes wrong for a while. */
export type Fault =
  | { readonly kind: 'powerCut'; readonly node: string }
  | { readonly kind: 'restart'; readonly node: string }
  | { readonly kind: 'freeze'; readonly node: string }
  | { readonly kind: 'pause'; readonly node: string }
  | { readonly kind: 'leave'; readonly node: string }
  | { readonly kind: 'tear'; readonly cables: readonly Cable[]; readonly nodes: readonly string[] }
  | { readonly kind: 'oneWay'; readonly cables: readonly Cable[]; readonly from: string; readonly to: string }
  | { readonly kind: 'apiAway' }
  | { readonly kind: 'apiSlow'; readonly delayMs: number }
  | { readonly kind: 'apiCut'; readonly node: string }
  | { readonly kind: 'unplug'; readonly node: string }
  | { readonly kind: 'loss'; readonly loss: number; readonly delayMs: number }
  | { readonly kind: 'exclude'; readonly node: string }
  | { readonly kind: 'drain'; readonly node: string }
  /** Only these have endpoints of any Service, all with externalTrafficPolicy Local. */
  | { readonly kind: 'endpoints'; readonly nodes: readonly string[] }
  /** A node whose speaker never ran before. */
  | { readonly kind: 'join'; readonly node: string }

export interface ScheduledFault {
  readonly atMs: number
  readonly lastsMs: number
  readonly fault: Fault
}

/** What goes wrong in words, for a failing seed. */
export function formatFault({ atMs, lastsMs, fault }: ScheduledFault): string {
  return `${Math.round(atMs)} ms, for ${Math.round(lastsMs)} ms: ${JSON.stringify(fault)}`
}

/** So long after the last disturbance a cluster is at rest. */
const restMs = 20_000

/** Puts everything on the timeline, the mending too. */
export function schedule(cluster: Cluster, faults: readonly ScheduledFault[]): void {
  const { timeline } = cluster
  let lasting = 0
  let disturbedAtMs = Number.NEGATIVE_INFINITY
  /** The only one that is wrong, or was last, in a cluster that was at rest before. */
  let single: ScheduledFault | undefined
  for (const one of faults) {
    const { atMs, lastsMs, fault } = one
    let mend = (): void => {}
    timeline.at(atMs, () => {
      single = lasting === 0 && timeline.nowMs - disturbedAtMs >= restMs ? one : undefined
      lasting++
      disturbedAtMs = timeline.nowMs
      disturb(cluster, () => void (mend = begin(cluster, fault)), single && { fault, phase: 'lasts' })
    })
    timeline.at(atMs + lastsMs, () => {
      lasting--
      disturbedAtMs = timeline.nowMs
      const was = single === one ? { fault, phase: { mendedAfterMs: lastsMs } } : undefined
      disturb(cluster, () => mend(), was)
    })
  }
}

/** Something changes: its bounds begin anew, those of the single fault where it is one. */
export function disturb(cluster: Cluster, change: () => void, single?: Single): void {
  cluster.monitor.disturb()
  change()
  // Many addresses are judged at the same moment.
  let judgedAtMs = Number.NaN
  let judged: readonly Allowance[] = []
  cluster.monitor.settle(side => {
    if (judgedAtMs !== cluster.timeline.nowMs) {
      judged = [0, 1].map(one => (single && allowanceOfSingle(single, cluster, one)) ?? allowanceOf(cluster, one))
    }
    judgedAtMs = cluster.timeline.nowMs
    return judged[side] ?? { none: undefined, two: undefined }
  })
}

/** Makes it go wrong; gives how it is mended. */
function begin(cluster: Cluster, fault: Fault): () => void {
  const { network, machines } = cluster
  switch (fault.kind) {
    case 'powerCut':
    case 'restart': {
      const machine = machines.get(fault.node)
      machine?.crash()
      return () => machine?.start()
    }
    case 'freeze':
    case 'pause': {
      const machine = machines.get(fault.node)
      machine?.freeze({ clockStops: fault.kind === 'pause' })
      return () => machine?.thaw()
    }
    case 'leave': {
      const machine = machines.get(fault.node)
      machine?.stop()
      return () => machine?.start()
    }
    case 'tear':
      return network.tear(fault.cables, fault.nodes)
    case 'oneWay':
      return network.breakWay(fault.cables, fault.from, fault.to)
    case 'apiAway':
      return network.takeApiAway()
    case 'apiSlow':
      return network.slowApi(fault.delayMs)
    case 'apiCut':
      return network.cutFromApi(fault.node)
    case 'unplug': {
      const mend = network.unplug(fault.node)
      const tell = (): void => machines.get(fault.node)?.process?.main.setCarrier(network.hasCarrier(fault.node))
      tell()
      return () => {
        mend()
        tell()
      }
    }
    case 'loss':
      return network.worsen(fault.loss, fault.delayMs)
    case 'exclude':
      exclude(cluster, fault.node, true)
      return () => exclude(cluster, fault.node, false)
    case 'drain':
      machines.get(fault.node)?.drain(true)
      return () => machines.get(fault.node)?.drain(false)
    case 'endpoints':
      moveEndpoints(cluster, 'Local', fault.nodes)
      // Of two such changes the end of one is that of both.
      return () => moveEndpoints(cluster, 'Cluster', cluster.names)
    case 'join':
      machines.get(fault.node)?.start()
      return () => {}
  }
}

function moveEndpoints({ api }: Cluster, policy: Service['externalTrafficPolicy'], nodes: readonly string[]): void {
  const endpoints = endpointsOn(...nodes)
  const services = api.config.services.map(service => ({ ...service, externalTrafficPolicy: policy }))
  api.configure({ ...api.config, services, endpoints: () => endpoints })
}

function exclude({ api }: Cluster, node: string, excluded: boolean): void {
  const labels: Record<string, string> = excluded
    ? { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
    : {}
  api.configure({ ...api.config, nodes: new Map(api.config.nodes).set(node, nodeFacts(node, labels)) })
}

/** Any of all that can go wrong. */
export function randomFault(random: Random, names: readonly string[], oneNetwork: boolean): Fault {
  const node = random.pick(names)
  const cables: readonly Cable[] = oneNetwork ? ['nodes', 'segment'] : [random.pick<Cable>(['nodes', 'segment'])]
  const kinds = [
    ...Array.from({ length: 3 }, (): Fault => ({ kind: 'powerCut', node })),
    { kind: 'restart', node },
    { kind: 'freeze', node },
    { kind: 'freeze', node },
    { kind: 'pause', node },
    { kind: 'leave', node },
    { kind: 'tear', cables, nodes: random.part(names) },
    { kind: 'tear', cables: ['nodes', 'segment'], nodes: random.part(names) },
    { kind: 'oneWay', cables, from: node, to: random.pick(names) },
    { kind: 'apiAway' },
    { kind: 'apiAway' },
    { kind: 'apiSlow', delayMs: random.between(20, 800) },
    { kind: 'apiCut', node },
    { kind: 'unplug', node },
    { kind: 'loss', loss: random.between(0, 0.03), delayMs: random.between(0.1, 30) },
    { kind: 'exclude', node },
  ] as const satisfies readonly Fault[]
  return random.pick<Fault>(kinds)
}

/** What people do to a cluster, and what comes of it: beside what goes wrong, in schedules of their own. */
export function randomChange(random: Random, names: readonly string[], later: readonly string[]): Fault {
  const node = random.pick(names)
  const kinds: readonly Fault[] = [
    { kind: 'drain', node },
    { kind: 'exclude', node },
    { kind: 'leave', node },
    { kind: 'endpoints', nodes: random.part(names) },
    { kind: 'endpoints', nodes: random.part(names) },
    ...later.map((one): Fault => ({ kind: 'join', node: one })),
  ]
  return random.pick(kinds)
}
