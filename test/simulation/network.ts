import type { Random } from '../seeded-random.ts'

/*
 * Who hears whom. Two networks: the one that speakers talk to each other and to the API server by, and the segment that the
 * addresses are on; in many clusters they are one. Each can be torn into sides, each direction between two nodes can be
 * broken by itself, and packets are late and get lost.
 */

/** The one that nodes reach the API server by, too, or the one with the clients. */
export type Cable = 'nodes' | 'segment'

export interface Network {
  /** Whether what one node sends arrives at another, loss left aside. */
  passes(cable: Cable, from: string, to: string): boolean
  /** Whether this packet gets lost. */
  loses(): boolean
  delayMs(): number
  readonly reachesApi: (node: string) => boolean
  /** How long the API server's answers and events take. */
  apiDelayMs(): number
  /** Which part of the segment the node is on; clients are on each. */
  sideOf(cable: Cable, node: string): number
  readonly hasCarrier: (node: string) => boolean
  /** Some direction between two nodes is broken: sides say not everything. */
  readonly isTangled: boolean
  /** Some direction from or to this node. */
  readonly isTangledAt: (node: string) => boolean
  readonly isTorn: (cable: Cable) => boolean
  readonly apiIsAway: boolean

  tear(cables: readonly Cable[], nodes: readonly string[]): () => void
  breakWay(cables: readonly Cable[], from: string, to: string): () => void
  cutFromApi(node: string): () => void
  takeApiAway(): () => void
  unplug(node: string): () => void
  worsen(loss: number, delayMs: number): () => void
  slowApi(delayMs: number): () => void
}

export function createNetwork(random: Random, options: { readonly apiSide: number }): Network {
  const sides: Record<Cable, Map<string, number>> = { nodes: new Map(), segment: new Map() }
  const broken = new Set<string>()
  const cut = new Map<string, number>()
  const unplugged = new Map<string, number>()
  let away = 0
  let loss = 0
  let delay = 0.3
  let apiDelay = 8

  const count = (map: Map<string, number>, key: string, by: number): void => {
    const now = (map.get(key) ?? 0) + by
    if (now === 0) map.delete(key)
    else map.set(key, now)
  }

  return {
    passes: (cable, from, to) =>
      (sides[cable].get(from) ?? 0) === (sides[cable].get(to) ?? 0) &&
      (broken.size === 0 || !broken.has(`${cable} ${from} ${to}`)) &&
      (cable === 'nodes' || (!unplugged.has(from) && !unplugged.has(to))),
    loses: () => loss > 0 && random() < loss,
    delayMs: () => delay * (0.5 + random()),
    reachesApi: node =>
      away === 0 && !cut.has(node) && (options.apiSide < 0 || (sides.nodes.get(node) ?? 0) === options.apiSide),
    apiDelayMs: () => apiDelay * (0.5 + random() * random() * 3),
    sideOf: (cable, node) => sides[cable].get(node) ?? 0,
    hasCarrier: node => !unplugged.has(node),
    get isTangled() {
      return broken.size > 0
    },
    isTangledAt: node => [...broken].some(way => way.split(' ').includes(node)),
    isTorn: cable => [...sides[cable].values()].some(side => side !== 0),
    get apiIsAway() {
      return away > 0
    },
    tear(cables, nodes) {
      for (const cable of cables) for (const node of nodes) sides[cable].set(node, 1)
      return () => {
        for (const cable of cables) sides[cable].clear()
      }
    },
    breakWay(cables, from, to) {
      const keys = cables.map(cable => `${cable} ${from} ${to}`)
      for (const key of keys) broken.add(key)
      return () => {
        for (const key of keys) broken.delete(key)
      }
    },
    cutFromApi(node) {
      count(cut, node, 1)
      return () => count(cut, node, -1)
    },
    takeApiAway() {
      away++
      return () => void away--
    },
    unplug(node) {
      count(unplugged, node, 1)
      return () => count(unplugged, node, -1)
    },
    worsen(to, delayMs) {
      loss = to
      delay = delayMs
      return () => {
        loss = 0
        delay = 0.3
      }
    },
    slowApi(delayMs) {
      apiDelay = delayMs
      return () => {
        apiDelay = 8
      }
    },
  }
}
