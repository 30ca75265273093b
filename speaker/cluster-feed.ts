import type { KubeNode } from '../kube/node.ts'
import { parseAddress } from '../net/address.ts'
import { contains, parseRange } from '../net/range.ts'
import type { Member } from './layer2/membership.ts'
import type { ClusterMember, ClusterSettings, NetworkInterface, WireCommand } from './wire/messages.ts'

/*
 * What only the main thread sees and the wire thread decides by: who has a Lease and where it is reached, which hardware
 * address is whose, whom the records name, and how fresh all of that is. Said when it changes, and a sign of life besides.
 */

/** How speakers look after each other, but for what the process knows by itself. */
export type ClusterOptions = Pick<ClusterSettings, 'key' | 'port' | 'intervalMs' | 'detectMultiplier'>

export interface ClusterFeed {
  /** Leases, Nodes or our own interfaces are others now. */
  tellMembers(): void
  /** A renewal that was sent then (`performance.now()`) has come back. */
  proven(sentMs: number): void
  /** After a plan: whom the records name for what is announced, and whether they can be old. */
  tellKnowledge(claimants: ReadonlyMap<string, string | undefined>, inTouch: boolean): void
  stop(): void
}

/** Far within the wire thread's patience. */
const aliveEveryMs = 500

export function createClusterFeed(options: {
  readonly send: (command: WireCommand) => void
  /** Undefined: the Leases alone decide who lives. */
  readonly settings: ClusterSettings | undefined
  readonly members: () => ReadonlyMap<string, Member>
  readonly nodes: { get(key: string): KubeNode | undefined }
  readonly interfaces: () => readonly NetworkInterface[]
}): ClusterFeed {
  const { send, settings } = options
  let toldMembers = ''
  let toldStations = ''
  let toldInTouch: boolean | undefined
  const toldClaimants = new Map<string, string | undefined>()
  let timer: NodeJS.Timeout | undefined
  if (settings) {
    send({ kind: 'cluster', settings })
    timer = setInterval(() => send({ kind: 'alive', atMs: monotonicAt(performance.now()) }), aliveEveryMs)
    timer.unref()
  }

  function tellMembers(): void {
    const all = [...options.members().values()]
    const there = all.filter(({ liveness }) => liveness !== 'gone')
    const members = there.flatMap(({ node, facts }) => {
      const [address] = options.nodes.get(node)?.internalIPs ?? []
      return address === undefined ? [] : [clusterMember(node, facts.run, address, options.interfaces())]
    })
    const text = JSON.stringify(members)
    if (settings && text !== toldMembers) send({ kind: 'members', members })
    toldMembers = text
    // One whose Lease is over may be cut off and answer: it is argued with as a speaker, which yields, and not as a stranger.
    const gone = all.filter(({ liveness }) => liveness === 'gone')
    const stations = [...gone, ...there].flatMap(({ node, facts }) =>
      facts.interfaces.map(({ mac }) => [mac, node] as const),
    )
    const stationText = JSON.stringify(stations)
    if (stationText !== toldStations) send({ kind: 'knowledge', stations })
    toldStations = stationText
  }

  return {
    tellMembers,
    proven: sentMs => send({ kind: 'proven', sentMs: monotonicAt(sentMs) }),
    tellKnowledge(claimants, inTouch) {
      const changed = [...claimants].filter(
        ([address, node]) => !toldClaimants.has(address) || toldClaimants.get(address) !== node,
      )
      for (const [address, node] of changed) toldClaimants.set(address, node)
      for (const address of toldClaimants.keys()) if (!claimants.has(address)) toldClaimants.delete(address)
      if (changed.length === 0 && inTouch === toldInTouch) return
      toldInTouch = inTouch
      send({ kind: 'knowledge', claimants: changed, inTouch })
    },
    stop: () => clearInterval(timer),
  }
}

function clusterMember(
  node: string,
  run: string,
  address: string,
  interfaces: readonly NetworkInterface[],
): ClusterMember {
  const parsed = parseAddress(address)
  const neighbour =
    parsed !== undefined &&
    interfaces.some(one =>
      one.addresses.some(own => {
        const range = parseRange(`${own.address}/${own.prefixLength}`)
        return !('problem' in range) && contains(range, parsed)
      }),
    )
  return { node, run, address, neighbour }
}

/** A time of this thread's `performance.now()` by the clock that all threads share. */
function monotonicAt(timeMs: number): number {
  return Number(process.hrtime.bigint()) / 1e6 - (performance.now() - timeMs)
}
