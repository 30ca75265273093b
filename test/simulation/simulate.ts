import { createRandom } from '../seeded-random.ts'
import { type Cluster, createCluster } from './cluster.ts'
import { disturb, formatFault, randomChange, randomFault, type ScheduledFault, schedule } from './faults.ts'
import { mostOf, watchMoves } from './needless.ts'

/** What came of one schedule. */
export interface Outcome {
  readonly seed: number
  /** The cluster and what went wrong in it, to be printed with failures. */
  readonly story: readonly string[]
  readonly failures: readonly string[]
  readonly cluster: Cluster
}

const firstFaultMs = 3_000
const calmMs = 32_000

/** A cluster, and things that go wrong in it one after the other and at the same time, all by the seed. */
export function simulate(seed: number): Outcome {
  const random = createRandom(seed ^ 0x5eed)
  const nodes = random.pick([1, 2, 2, 3, 3, 3, 4, 5, 5, 7, 9, 12])
  const addresses = random.integer(1, 20)
  const oneNetwork = random.chance(0.7)
  const apiApart = random.chance(0.5)
  const cluster = createCluster({ seed, nodes, addresses, apiApart })
  const faults: ScheduledFault[] = []
  let atMs = firstFaultMs + random.between(0, 3_000)
  const count = random.pick([1, 1, 2, 2, 3, 4, 6])
  for (let index = 0; index < count; index++) {
    const lastsMs = random.pick([random.between(50, 600), random.between(300, 4_000), random.between(2_000, 25_000)])
    faults.push({ atMs, lastsMs, fault: randomFault(random, cluster.names, oneNetwork) })
    atMs += random.pick([random.between(0, 1_000), random.between(1_000, 8_000), random.between(5_000, 30_000)])
  }
  const story = [
    `seed ${seed}: ${nodes} nodes, ${addresses} addresses, ${oneNetwork ? 'one network' : 'two networks'}, API server ${apiApart ? 'apart' : 'on side 0'}`,
    ...faults.map(formatFault),
  ]
  return { seed, story, failures: play(cluster, faults), cluster }
}

/** A cluster that people change, two to eight times, while now and then something goes wrong. */
export function simulateChanges(seed: number): Outcome {
  const random = createRandom(seed ^ 0xc0f16)
  const nodes = random.pick([2, 3, 3, 4, 5, 7, 9])
  const addresses = random.integer(1, 20)
  const later = random.pick([0, 0, 1, 2])
  const cluster = createCluster({ seed, nodes: nodes + later, addresses, apiApart: true, later })
  const [early, joining] = [cluster.names.slice(0, nodes), cluster.names.slice(nodes)]
  const faults: ScheduledFault[] = []
  let atMs = firstFaultMs + random.between(0, 3_000)
  const count = random.integer(2, 8)
  for (let index = 0; index < count; index++) {
    const lastsMs = random.pick([random.between(50, 4_000), random.between(2_000, 25_000)])
    const fault = random.chance(0.3) ? randomFault(random, early, true) : randomChange(random, early, joining)
    faults.push({ atMs, lastsMs, fault })
    atMs += random.pick([random.between(0, 1_000), random.between(1_000, 8_000), random.between(5_000, 30_000)])
  }
  const story = [
    `changes, seed ${seed}: ${nodes} nodes, ${later} more later, ${addresses} addresses`,
    ...faults.map(formatFault),
  ]
  return { seed, story, failures: play(cluster, faults), cluster }
}

/** What failed of so many schedules, with the story of each. */
export function simulateAll(firstSeed: number, count: number, one = simulate): readonly string[] {
  return Array.from({ length: count }, (_, index) => one(firstSeed + index)).flatMap(({ story, failures }) =>
    failures.length === 0 ? [] : [[...story, ...failures].join('\n  ')],
  )
}

/** Lets it all happen, mends everything, waits, and looks. */
export function play(cluster: Cluster, faults: readonly ScheduledFault[]): readonly string[] {
  const { timeline, machines, monitor } = cluster
  watchMoves(cluster)
  disturb(cluster, () => {})
  schedule(cluster, faults)
  timeline.runUntil(Math.max(...faults.map(({ atMs, lastsMs }) => atMs + lastsMs), timeline.nowMs) + 1)
  // One that was leaving when it was to be started has ended by now or will: give it time, then everybody is back.
  for (let tries = 0; tries < 4; tries++) {
    timeline.runUntil(timeline.nowMs + 2_000)
    if ([...machines.values()].every(({ process }) => process)) continue
    disturb(cluster, () => {
      for (const machine of machines.values()) machine.start()
    })
  }
  timeline.runUntil(timeline.nowMs + calmMs)
  const movesBefore = monitor.moves.length
  timeline.runUntil(timeline.nowMs + 5_000)
  monitor.finish()
  return [
    ...monitor.failures,
    ...findWrong(cluster),
    ...(monitor.moves.length > movesBefore ? ['addresses move at rest'] : []),
  ]
}

/** What is not as it should be when everything has been well for a while. */
function findWrong({ names, addresses, machines, api }: Cluster): readonly string[] {
  const wrong: string[] = []
  const loads = new Map(names.map(name => [name, 0]))
  for (const [index, address] of addresses.entries()) {
    const answerers = names.filter(name => machines.get(name)?.answers(address))
    const record = [...api.records.values()].find(({ name }) => name.startsWith(`s${index}-`))
    if (answerers.length !== 1) wrong.push(`in the end ${answerers.length} answer for ${address}: ${answerers.join()}`)
    else if (record?.claim?.node !== answerers[0] || record?.published?.node !== answerers[0]) {
      wrong.push(`in the end ${answerers.join()} answers for ${address}, and the record says ${JSON.stringify(record)}`)
    }
    for (const answerer of answerers) loads.set(answerer, (loads.get(answerer) ?? 0) + 1)
  }
  const most = mostOf({ addresses, names })
  for (const [node, load] of loads) if (load > most) wrong.push(`in the end ${node} has ${load} of ${addresses.length}`)
  return wrong
}
