import fc from 'fast-check'
import {
  apply,
  berthKind,
  labels,
  names,
  namespace,
  place,
  pool,
  removals,
  remove,
  selectors,
  service,
  type Turn,
  wish,
} from './changes.ts'
import type { LoopbackRouter } from './routers.ts'

/*
 * Random changes of what routers are told, and over which sessions: BGPAdvertisements, BGPPeers, Communities, BFDProfiles, the
 * labels of nodes, and of Services what counts for them. What a change cannot have is what no preview could see through: the
 * contents of Secrets, and options of sockets that a router of a test would need too.
 */

/** The nodes, each with a speaker. */
export const nodes = ['node-1', 'node-2'] as const

const peerNames = ['r1', 'r2', 'r3', 'r4'] as const
const profileNames = ['fast', 'slow'] as const
const racks = fc.constantFrom([{ matchLabels: { rack: 'a' } }], [{ matchLabels: { rack: 'b' } }])
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 })
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

/** Objects of a kind; what `more` says of the spec counts. */
function config(
  kind: string,
  name: fc.Arbitrary<string>,
  spec: fc.Arbitrary<object>,
  more: fc.Arbitrary<object | undefined> = fc.constant(undefined),
): fc.Arbitrary<object> {
  return fc.tuple(name, spec, more).map(([name, spec, more]) => ({
    ...berthKind(kind),
    metadata: { name, namespace },
    // As a manifest is written: without what it does not say.
    spec: JSON.parse(JSON.stringify({ ...spec, ...more })) as object,
  }))
}

const advertisement = config(
  'BGPAdvertisement',
  fc.constantFrom('u', 'v', 'w'),
  fc.record({
    ipAddressPools: fc.oneof(
      { weight: 3, arbitrary: fc.subarray([...names], { minLength: 1 }) },
      { weight: 1, arbitrary: fc.subarray([...names, 'nowhere']) },
    ),
    aggregationLength: some(fc.constantFrom(32, 30, 24)),
    aggregationLengthV6: seldom(fc.constantFrom(128, 127)),
    localPref: some(fc.constantFrom(100, 200)),
    med: seldom(fc.constantFrom(0, 50)),
    asPathPrepend: seldom(fc.constantFrom(1, 2)),
    weightByEndpoints: seldom(fc.constant(true)),
    addressFamilies: seldom(fc.constantFrom(['IPv4'], ['IPv6'], ['IPv6', 'IPv4'])),
    communities: some(fc.subarray(['65000:1', '65535:65281', 'large:65000:1:2', 'gold', 'silver'], { maxLength: 3 })),
    nodeSelectors: seldom(racks),
    peers: some(fc.subarray([...peerNames, 'nowhere'], { minLength: 1 })),
  }),
  // A prefix of several addresses has no one Service.
  seldom(selectors).map(serviceSelectors => {
    return serviceSelectors && { serviceSelectors, aggregationLength: undefined, aggregationLengthV6: undefined }
  }),
)
const community = config(
  'Community',
  fc.constantFrom('metals', 'more'),
  fc.record({
    communities: fc.subarray(['gold', 'silver']).chain(aliases => {
      const value = fc.constantFrom('65000:7', '65000:8', 'large:65000:9:9')
      return fc.tuple(...aliases.map(name => value.map(value => ({ name, value }))))
    }),
  }),
)
const profile = config(
  'BFDProfile',
  fc.constantFrom(...profileNames),
  fc.record({
    transmitInterval: some(fc.constantFrom(50, 300)),
    detectMultiplier: some(fc.constantFrom(3, 5)),
    echoInterval: some(fc.constantFrom(50, 60)),
    passiveMode: seldom(fc.constant(true)),
    minimumTtl: seldom(fc.constantFrom(253, 254)),
  }),
)

/** Mostly a peer stays with its router, so that what changes is how. */
function peer(routers: readonly LoopbackRouter[]): fc.Arbitrary<object> {
  const times = fc.constantFrom({ holdTime: '90s' }, { holdTime: '30s', keepaliveTime: '5s' }, { connectTime: '2s' })
  const rest = fc.record({
    localASN: seldom(fc.constantFrom(64999, 64513)),
    bfdProfile: some(fc.constantFrom(...profileNames, ...profileNames, 'nowhere')),
    nodeSelectors: seldom(racks),
  })
  return fc.constantFrom(...peerNames.entries()).chain(([index, name]) => {
    const own = routers[index % routers.length]
    const router = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...routers.filter(one => one === own)) },
      { weight: 1, arbitrary: fc.constantFrom(...routers) },
    )
    const spec = fc.tuple(router, seldom(times), rest).map(([{ address, port, as }, times, rest]) => {
      return { myASN: 64512, peerAddress: address, peerPort: port, peerASN: as, ...times, ...rest }
    })
    return config('BGPPeer', fc.constant(name), spec)
  })
}

const removal = fc.constantFrom(
  ...['u', 'v', 'w'].map(name => ({ kind: 'BGPAdvertisement', namespace, name }) as const),
  ...peerNames.map(name => ({ kind: 'BGPPeer', namespace, name }) as const),
  ...profileNames.map(name => ({ kind: 'BFDProfile', namespace, name }) as const),
  ...['metals', 'more'].map(name => ({ kind: 'Community', namespace, name }) as const),
)
const rack = fc
  .tuple(fc.constantFrom(...nodes), fc.constantFrom('a', 'b'))
  .map(([name, rack]) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { rack } } }))
/** A node that is taken out of use, or back into it. */
const cordon = fc
  .tuple(fc.constantFrom(...nodes), fc.constantFrom(true, true, false))
  .map(([name, unschedulable]) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { unschedulable } }))
const locality = fc.tuple(place, labels, fc.constantFrom('Local', 'Cluster')).map(([place, labels, policy]) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...place, labels },
  spec: { externalTrafficPolicy: policy },
}))

/** So many turns, the same for the same seed but for the routers' ports. */
export function bgpTurns(seed: number, count: number, routers: readonly LoopbackRouter[]): readonly Turn[] {
  const wanted = fc.oneof(
    { weight: 8, arbitrary: apply(advertisement) },
    { weight: 7, arbitrary: apply(peer(routers)) },
    { weight: 2, arbitrary: apply(community) },
    { weight: 4, arbitrary: apply(profile) },
    { weight: 3, arbitrary: remove(removal) },
    { weight: 2, arbitrary: apply(rack) },
    { weight: 2, arbitrary: apply(locality) },
    { weight: 1, arbitrary: apply(wish) },
    { weight: 2, arbitrary: apply(pool) },
    { weight: 1, arbitrary: remove(removals.pool) },
    { weight: 1, arbitrary: remove(removals.service) },
  )
  const occurrence = fc.oneof(
    { weight: 6, arbitrary: apply(service) },
    { weight: 3, arbitrary: apply(pool) },
    { weight: 1, arbitrary: apply(peer(routers)) },
    { weight: 1, arbitrary: apply(advertisement) },
    { weight: 2, arbitrary: apply(cordon) },
  )
  const turn: fc.Arbitrary<Turn> = fc.record({
    occurrences: fc.array(occurrence, { maxLength: 2 }),
    change: fc.array(wanted, { minLength: 1, maxLength: 2 }),
  })
  return fc.sample(turn, { seed, numRuns: count })
}
