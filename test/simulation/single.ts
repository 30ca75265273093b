import { type Bound, bounds } from './bounds.ts'
import type { Cluster } from './cluster.ts'
import type { Fault } from './faults.ts'
import type { Allowance } from './monitor.ts'

/*
 * What docs/layer2.md allows for one fault in a cluster at rest, while it lasts and after it is mended. What is not said here
 * is left to allowance.ts, which goes by the state of the networks and nodes, whatever has led to it.
 */

/** The only thing that is wrong, or was until now, after so long a time. */
export interface Single {
  readonly fault: Fault
  readonly phase: 'lasts' | { readonly mendedAfterMs: number }
}

/** Until then what was begun because of the fault may go on, and its bound is that of the fault. */
const settledMs = 2_000
const handOvers: Pick<Bound, 'two'> = bounds.handOver

export function allowanceOfSingle({ fault, phase }: Single, cluster: Cluster, side: number): Allowance | undefined {
  const { network } = cluster
  // One that has not joined yet, or has left for good, is nobody to count on.
  const names = cluster.names.filter(name => cluster.api.leases.has(name))
  // Nobody stands on that part of the segment.
  if (!names.some(name => network.sideOf('segment', name) === side)) return undefined
  // Without another node there is nobody to take over.
  if (names.length === 1) return undefined
  const death: Bound = names.length === 2 ? bounds.fewLeft : bounds.powerCut
  const isSoon = phase !== 'lasts' && phase.mendedAfterMs < settledMs
  switch (fault.kind) {
    case 'powerCut':
    case 'restart':
      if (phase === 'lasts') return death
      return { ...bounds.nodeBack, none: isSoon ? death.none : bounds.nodeBack.none }
    case 'freeze':
      return { none: phase === 'lasts' || isSoon ? death.none : 0, two: 0 }
    case 'pause':
      return phase === 'lasts' ? death : { ...bounds.clockStopped, none: death.none }
    case 'leave':
    case 'drain':
    case 'exclude':
    case 'endpoints':
      return bounds.handOver
    case 'join':
      return bounds.nodeBack
    case 'unplug':
      return bounds.linkDown
    case 'apiAway':
    case 'apiSlow':
      return bounds.apiAway
    case 'apiCut':
      return bounds.apiCut
    case 'loss':
      return { none: 0, two: handOvers.two }
    case 'oneWay':
      return bounds.oneWay
    case 'tear':
      return ofTear(
        { ...fault, nodes: fault.nodes.filter(name => names.includes(name)) },
        phase,
        { ...cluster, names },
        side,
      )
  }
}

/** Of a smaller part that is torn off; what halves do is in allowance.ts. */
function ofTear(
  { nodes, cables }: Fault & { readonly kind: 'tear' },
  phase: Single['phase'],
  { names, network }: Cluster,
  side: number,
): Allowance | undefined {
  if (nodes.length === names.length) return bounds.apiAway
  if (phase !== 'lasts') return cables.includes('nodes') ? { ...bounds.reunion } : undefined
  const larger = nodes.length * 2 < names.length ? 0 : nodes.length * 2 > names.length ? 1 : undefined
  if (larger === undefined || !cables.includes('nodes')) return undefined
  if (cables.length === 2) return side === larger ? bounds.torn : { ...bounds.torn, none: undefined }
  const isCut = nodes.some(node => !network.reachesApi(node))
  if (!isCut) return bounds.apiAway
  return larger === 0 ? bounds.wayTorn : undefined
}
