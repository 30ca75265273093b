import fc from 'fast-check'
import type { ConfigKind } from './config.ts'
import { ruleExamples } from './rule-examples.ts'

/*
 * Objects for fuzzing: mostly of the right shape, with odd values in every field and junk here and there, so that a good
 * part of them gets past the schema and means something strange.
 */

const junk = fc.jsonValue({ maxDepth: 3 })

/** The value, or sometimes anything else. */
function noisy(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 24, arbitrary }, { weight: 1, arbitrary: junk })
}

/** An object with some of these fields. */
function fields(model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const noisyModel = Object.fromEntries(Object.entries(model).map(([name, value]) => [name, noisy(value)]))
  return fc.record(noisyModel, { requiredKeys: [] })
}

function few(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.array(noisy(arbitrary), { maxLength: 4 })
}

const octet = fc.integer({ min: 0, max: 256 })
const ipv4 = fc.tuple(octet, octet, octet, octet).map(octets => octets.join('.'))
const ipv6 = fc.oneof(
  fc.ipV6(),
  fc.constantFrom('::', '::1', '2001:db8::', 'fe80::1', '::ffff:192.0.2.1', '::192.0.2.1'),
)
const address = fc.oneof(ipv4, fc.ipV4(), ipv6)
const length = fc.integer({ min: 0, max: 129 })
const entry = fc.oneof(
  fc.tuple(address, length).map(([base, bits]) => `${base}/${bits}`),
  fc.tuple(address, fc.constantFrom('-', ' - ', '--'), address).map(parts => parts.join('')),
  fc.tuple(fc.ipV4(), fc.ipV4()).map(ends => ends.join('-')),
  fc.tuple(fc.ipV6(), fc.ipV6()).map(ends => ends.join('-')),
  fc.constantFrom('0.0.0.0/0', '::/0', '192.0.2.0/24', '192.0.2.7/32', '2001:db8::/64', '192.0.2.0-192.0.2.255'),
  fc.string(),
)
const names = ['a', 'b', 'c', 'object-1', 'object-2', 'toString', '__proto__', 'constructor', '']
const name = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.string() })
const labels = ['app', 'zone', 'example.com/app', 'web', 'toString', '__proto__', '']
const label = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...labels) }, { weight: 1, arbitrary: fc.string() })
const selector = fields({
  matchLabels: fc.dictionary(label, label, { maxKeys: 3 }),
  matchExpressions: few(
    fields({
      key: label,
      operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt'),
      values: few(label),
    }),
  ),
})
const number = (min: number, max: number): fc.Arbitrary<unknown> =>
  fc.oneof(fc.integer({ min, max }), fc.constantFrom(min - 1, max + 1, 0, -1, 0.5, Number.MAX_SAFE_INTEGER, null))
const asn = number(0, 2 ** 32 - 1)
const community = fc.oneof(
  fc.tuple(number(0, 65_535), number(0, 65_535)).map(parts => parts.join(':')),
  fc.tuple(asn, asn, asn).map(parts => ['large', ...parts].join(':')),
  name,
)
const duration = fc.oneof(
  fc.tuple(number(0, 70_000), fc.constantFrom('s', 'm', 'h', 'ms', 'ns', '')).map(parts => parts.join('')),
  fc.constantFrom('1m30s', '0s', '0', '1.5s', '', '90'),
)

const specs: Readonly<Record<ConfigKind, fc.Arbitrary<unknown>>> = {
  IPAddressPool: fields({
    addresses: fc.array(entry, { maxLength: 4 }),
    autoAssign: fc.boolean(),
    avoidBuggyIPs: fc.boolean(),
    avoidConflicts: fc.boolean(),
    serviceAllocation: fields({
      priority: number(-5, 5),
      namespaces: few(name),
      namespaceSelectors: few(selector),
      serviceSelectors: few(selector),
    }),
  }),
  L2Advertisement: fields({
    ipAddressPools: few(name),
    ipAddressPoolSelectors: few(selector),
    nodeSelectors: few(selector),
    interfaces: few(fc.oneof(fc.constantFrom('eth0', 'bond0.7'), name)),
    serviceSelectors: few(selector),
    preferredNodeSelectors: few(fields({ weight: number(1, 100), preference: selector })),
    loadSharing: fc.constantFrom('none', 'perClient'),
  }),
  BGPAdvertisement: fields({
    aggregationLength: number(1, 32),
    aggregationLengthV6: number(1, 128),
    localPref: asn,
    med: asn,
    asPathPrepend: number(0, 16),
    weightByEndpoints: fc.boolean(),
    addressFamilies: few(fc.constantFrom('IPv4', 'IPv6')),
    communities: few(community),
    ipAddressPools: few(name),
    ipAddressPoolSelectors: few(selector),
    nodeSelectors: few(selector),
    peers: few(name),
    serviceSelectors: few(selector),
  }),
  BGPPeer: fields({
    myASN: asn,
    peerASN: asn,
    dynamicASN: fc.constantFrom('internal', 'external', 'other', ''),
    localASN: asn,
    peerAddress: address,
    interface: name,
    sourceAddress: address,
    peerPort: number(1, 65_535),
    holdTime: duration,
    keepaliveTime: duration,
    connectTime: duration,
    routerID: address,
    nodeSelectors: few(selector),
    password: name,
    passwordSecret: fields({ name, namespace: name }),
    bfdProfile: name,
    enableGracefulRestart: fc.boolean(),
    ebgpMultiHop: fc.boolean(),
    ttlSecurity: fc.boolean(),
    passive: fc.boolean(),
    vrf: name,
    disableMP: fc.boolean(),
    dualStackAddressFamily: fc.boolean(),
  }),
  BFDProfile: fields({
    receiveInterval: number(10, 60_000),
    transmitInterval: number(10, 60_000),
    detectMultiplier: number(2, 255),
    echoInterval: number(10, 60_000),
    echoMode: fc.boolean(),
    passiveMode: fc.boolean(),
    minimumTtl: number(1, 254),
  }),
  Community: fields({ communities: few(fields({ name, value: community })) }),
}

export interface FuzzedObject {
  readonly kind: ConfigKind
  readonly spec: unknown
  readonly labels: unknown
}

/** A sound spec, or with some of its fields made odd, or odd altogether. */
function specOf(kind: ConfigKind): fc.Arbitrary<unknown> {
  const sound = fc.constantFrom(...ruleExamples.filter(example => example.kind === kind).map(example => example.good))
  const touched = fc
    .tuple(sound, specs[kind], fc.infiniteStream(fc.integer({ min: 0, max: 7 })))
    .map(([good, odd, dice]) => {
      const oddFields = typeof odd === 'object' && odd !== null ? Object.entries(odd) : []
      return { ...good, ...Object.fromEntries(oddFields.filter(() => dice.next().value === 0)) }
    })
  return fc.oneof({ weight: 2, arbitrary: touched }, { weight: 1, arbitrary: noisy(specs[kind]) })
}

/** An object of any kind. */
export const fuzzedObject: fc.Arbitrary<FuzzedObject> = fc
  .constantFrom<ConfigKind>(
    'IPAddressPool',
    'L2Advertisement',
    'BGPAdvertisement',
    'BGPPeer',
    'BFDProfile',
    'Community',
  )
  .chain(kind =>
    fc.record({
      kind: fc.constant(kind),
      spec: specOf(kind),
      labels: fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom<unknown>({}, { app: 'web' }, { app: 'web', zone: 'a' }) },
        { weight: 1, arbitrary: fc.dictionary(label, label, { maxKeys: 2 }) },
      ),
    }),
  )
