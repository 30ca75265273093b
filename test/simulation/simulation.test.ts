import { describe, expect, test } from 'vitest'
import { recordKey } from '../../speaker/layer2/record.ts'
import { cases, playCase } from './cases.ts'
import { type Cluster, createCluster } from './cluster.ts'
import type { Ill } from './episodes.ts'
import { disturb } from './faults.ts'
import type { Cable } from './network.ts'
import { play, simulateAll, simulateChanges } from './simulate.ts'

test.each(cases.map(one => [one.name, one] as const))('%s', (_, one) => {
  expect(playCase(one).failures).toEqual([])
})

test('whatever goes wrong, all that docs/layer2.md says holds: the first of thousands of schedules', () => {
  expect(simulateAll(1, 40)).toEqual([])
}, 60_000)

test('a side that was missed while the API server was away shows by its claims that it lives: seed 181', () => {
  expect(simulateAll(181, 1)).toEqual([])
})

test('people change the cluster, and something goes wrong meanwhile: the first of a thousand schedules', () => {
  expect(simulateAll(1, 20, simulateChanges)).toEqual([])
}, 60_000)

test('two that are torn apart do not take from each other in turns when the third leaves one of them: seed 790 of changes', () => {
  expect(simulateAll(790, 1, simulateChanges)).toEqual([])
})

test('who was without a link and claims again is not dead to the one that cannot hear it: seed 1142 of changes', () => {
  expect(simulateAll(1_142, 1, simulateChanges)).toEqual([])
})

/** One thing that goes wrong in a cluster at rest, and what was seen of it on side 0 in the time after. */
function after(
  cluster: Cluster,
  faults: readonly Start[],
  forMs = 20_000,
): { longest(ill: Ill): number; all(ill: Ill): number[]; moved: number } {
  const begin = cluster.timeline.nowMs
  const movesBefore = cluster.monitor.moves.length
  for (const fault of faults) disturb(cluster, () => start(cluster, fault))
  cluster.timeline.runUntil(begin + forMs)
  cluster.monitor.finish()
  const all = (ill: Ill): number[] =>
    cluster.monitor.episodes
      .filter(episode => episode.ill === ill && episode.side === 0 && episode.fromMs >= begin)
      .map(({ fromMs, toMs }) => toMs - fromMs)
      .sort((one, other) => one - other)
  return { all, longest: ill => all(ill).at(-1) ?? 0, moved: cluster.monitor.moves.length - movesBefore }
}

type Start =
  | { readonly kind: 'powerCut' | 'leave'; readonly node: string }
  | { readonly kind: 'apiAway' }
  | { readonly kind: 'tear'; readonly cables: readonly Cable[]; readonly nodes: readonly string[] }

function start({ machines, network }: Cluster, fault: Start): void {
  switch (fault.kind) {
    case 'powerCut':
      machines.get(fault.node)?.crash()
      break
    case 'leave':
      machines.get(fault.node)?.stop()
      break
    case 'apiAway':
      network.takeApiAway()
      break
    case 'tear':
      network.tear(fault.cables, fault.nodes)
  }
}

function cluster(nodes: number, addresses = nodes * 5, seed = 7, apiApart = true): Cluster {
  return createCluster({ seed, nodes, addresses, apiApart })
}

const owned = ({ machines, addresses }: Cluster, node: string): number =>
  addresses.filter(address => machines.get(node)?.answers(address)).length

describe.each([3, 5, 20])('in a cluster of %i', nodes => {
  test('a power cut is over in less than 700 ms, half of them in less than 350, and moves what the node had', () => {
    const outages: number[] = []
    for (let seed = 1; seed <= 8; seed++) {
      const one = cluster(nodes, nodes * 5, seed)
      const had = owned(one, 'n02')
      const seen = after(one, [{ kind: 'powerCut', node: 'n02' }])
      outages.push(...seen.all('none'))
      expect(seen.longest('two')).toBe(0)
      expect(seen.moved).toBe(had)
    }
    outages.sort((one, other) => one - other)
    expect(outages.length).toBeGreaterThan(20)
    expect(outages[outages.length >> 1]).toBeLessThan(350)
    expect(outages.at(-1)).toBeLessThan(700)
  })

  test('a power cut while the API server is away is no worse', () => {
    const one = cluster(nodes)
    const seen = after(one, [{ kind: 'apiAway' }, { kind: 'powerCut', node: 'n02' }])
    expect(seen.all('none')).toHaveLength(owned(cluster(nodes), 'n02'))
    expect(seen.longest('none')).toBeLessThan(700)
    expect(seen.longest('two')).toBe(0)
  })

  test('an API server that is away changes nothing', () => {
    const seen = after(cluster(nodes), [{ kind: 'apiAway' }])
    expect([seen.all('none'), seen.all('two'), seen.moved]).toEqual([[], [], 0])
  })

  test('a node that stops hands over without a moment in which nobody answers', () => {
    const seen = after(cluster(nodes), [{ kind: 'leave', node: 'n01' }])
    expect(seen.all('none')).toEqual([])
    expect(seen.moved).toBeGreaterThan(0)
    expect(seen.longest('two')).toBeLessThan(500)
  })

  test('a node that comes back takes nothing that is not above the bound, and nobody notices', () => {
    const one = cluster(nodes)
    after(one, [{ kind: 'powerCut', node: 'n02' }])
    disturb(one, () => one.machines.get('n02')?.start())
    const seen = after(one, [])
    expect(seen.all('none')).toEqual([])
    expect(seen.longest('two')).toBeLessThan(500)
    expect(seen.moved).toBeLessThanOrEqual(Math.ceil(one.addresses.length / nodes))
  })

  test('a node that was stopped for five seconds answers nothing when it goes on: others have begun', () => {
    const one = cluster(nodes)
    const begin = one.timeline.nowMs
    disturb(one, () => one.machines.get('n02')?.freeze({ clockStops: false }))
    one.timeline.runUntil(begin + 5_000)
    disturb(one, () => one.machines.get('n02')?.thaw())
    // Later it gets its share again, and then two answer for the moment of each hand-over.
    const seen = after(one, [], 1_500)
    expect(seen.all('two')).toEqual([])
    expect(seen.all('none')).toEqual([])
  })

  test('a machine whose clock stood still answers for a quarter of a second more, until its neighbours tell it', () => {
    const one = cluster(nodes)
    const begin = one.timeline.nowMs
    disturb(one, () => one.machines.get('n02')?.freeze({ clockStops: true }))
    one.timeline.runUntil(begin + 5_000)
    disturb(one, () => one.machines.get('n02')?.thaw())
    const seen = after(one, [])
    expect(seen.longest('two')).toBeLessThan(400)
    expect(seen.longest('none')).toBeLessThan(400)
  })

  test('of two sides the smaller one, without the API server, is silent after two seconds and the larger has all', () => {
    const one = createCluster({ seed: 3, nodes, addresses: nodes * 4, apiApart: false })
    const seen = after(one, [{ kind: 'tear', cables: ['nodes', 'segment'], nodes: ['n01'] }])
    expect(seen.longest('none')).toBeLessThan(700)
    expect(owned(one, 'n01')).toBe(0)
    const other = one.monitor.episodes.filter(episode => episode.side === 1 && episode.ill === 'none')
    expect(other.length).toBeGreaterThan(0)
  })

  test('where only the way between nodes is torn, an owner that is cut off is taken over from when it has stopped', () => {
    const one = createCluster({ seed: 3, nodes, addresses: nodes * 4, apiApart: false })
    const had = owned(one, 'n01')
    const seen = after(one, [{ kind: 'tear', cables: ['nodes'], nodes: ['n01'] }])
    expect(seen.longest('two')).toBe(0)
    expect(seen.all('none')).toHaveLength(had)
    expect(seen.longest('none')).toBeLessThan(500)
  })
})

describe('two nodes', () => {
  test('know by the API server that one is dead, and not only cut off, within a second', () => {
    const seen = after(cluster(2), [{ kind: 'powerCut', node: 'n02' }])
    expect(seen.longest('two')).toBe(0)
    expect(seen.longest('none')).toBeLessThan(1_300)
  })

  test('without the API server wait for three seconds more', () => {
    const seen = after(cluster(2), [{ kind: 'apiAway' }, { kind: 'powerCut', node: 'n02' }])
    expect(seen.longest('none')).toBeGreaterThan(3_000)
    expect(seen.longest('none')).toBeLessThan(3_800)
  })

  test('that only lost each other go on as they were', () => {
    const seen = after(cluster(2), [{ kind: 'tear', cables: ['nodes'], nodes: ['n02'] }])
    expect([seen.all('none'), seen.all('two'), seen.moved]).toEqual([[], [], 0])
  })
})

test('what is found is found: an address that leaves an owner that has nothing wrong with it', () => {
  const one = cluster(3)
  const found = play(one, [
    { atMs: 3_000, lastsMs: 100, fault: { kind: 'exclude', node: 'n03' } },
    { atMs: 40_000, lastsMs: 100, fault: { kind: 'apiAway' } },
  ])
  expect(found).toEqual([])
  const other = cluster(3)
  other.timeline.at(10_000, () => {
    const [service] = other.api.config.services
    const record = service && other.api.records.get(recordKey(service))
    const from = record?.claim?.node
    const node = other.names.find(name => name !== from) ?? ''
    if (record) other.api.claim(service, { node, because: 'ownerGone', from }, record)
  })
  expect(play(other, [{ atMs: 12_000, lastsMs: 100, fault: { kind: 'apiAway' } }])).toMatchObject([
    expect.stringContaining('nothing was wrong with'),
  ])
})

test('what is found is found: a power cut that takes longer than a power cut may', () => {
  const slow = createCluster({ seed: 1, nodes: 3, addresses: 6, apiApart: true, settings: { intervalMs: 300 } })
  const found = play(slow, [{ atMs: 3_000, lastsMs: 5_000, fault: { kind: 'powerCut', node: 'n02' } }])
  expect(found).toContainEqual(expect.stringContaining('not at most 700 ms'))
})

test('what is found is found: a cluster whose speakers take over without asking is caught at once', () => {
  const one = createCluster({
    seed: 1,
    nodes: 3,
    addresses: 6,
    apiApart: false,
    settings: { evidence: { tries: 1, spacingMs: 0 } },
  })
  const begin = one.timeline.nowMs
  disturb(one, () => void one.network.tear(['nodes'], ['n01']))
  one.timeline.runUntil(begin + 1_500)
  one.monitor.finish()
  expect(one.monitor.episodes.some(({ ill }) => ill === 'two')).toBe(true)
})
