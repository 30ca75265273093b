import { parse } from 'yaml'
import type { ConfigKind } from '../../crds/config.ts'
import { fieldOf, listOf, textOf, textsOf } from '../../kube/json.ts'
import type { Remark } from './remark.ts'
import type { SourceObject } from './source.ts'

/*
 * How MetalLB was configured before there were kinds for everything: the ConfigMap `config` (until 0.12) and the kind
 * AddressPool (until 0.14). Both say in the pool how it is announced. The names are those that MetalLB's own converter gives.
 */

type Spec = Readonly<Record<string, unknown>>

/** Fields of the ConfigMap, by what they are called today. */
const names: Readonly<Record<string, string>> = {
  'my-asn': 'myASN',
  'peer-asn': 'peerASN',
  'peer-address': 'peerAddress',
  'peer-port': 'peerPort',
  'source-address': 'sourceAddress',
  'hold-time': 'holdTime',
  'keepalive-time': 'keepaliveTime',
  'router-id': 'routerID',
  'bfd-profile': 'bfdProfile',
  'ebgp-multihop': 'ebgpMultiHop',
  'node-selectors': 'nodeSelectors',
  'match-labels': 'matchLabels',
  'match-expressions': 'matchExpressions',
  'auto-assign': 'autoAssign',
  'avoid-buggy-ips': 'avoidBuggyIPs',
  'aggregation-length': 'aggregationLength',
  'aggregation-length-v6': 'aggregationLengthV6',
  localpref: 'localPref',
  'receive-interval': 'receiveInterval',
  'transmit-interval': 'transmitInterval',
  'detect-multiplier': 'detectMultiplier',
  'echo-interval': 'echoInterval',
  'echo-mode': 'echoMode',
  'passive-mode': 'passiveMode',
  'minimum-ttl': 'minimumTtl',
  'bgp-advertisements': 'bgpAdvertisements',
}

/** The objects that the ConfigMap's entry `config` stands for. */
export function fromConfigMap(text: string): {
  readonly objects: readonly SourceObject[]
  readonly remarks: readonly Remark[]
} {
  let config: unknown
  try {
    config = renamed(parse(text))
  } catch (error) {
    const what = `is not YAML: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`
    const todo = 'Correct it; nothing of it is carried over.'
    return { objects: [], remarks: [{ weight: 'lost', object: 'ConfigMap config', field: 'data.config', what, todo }] }
  }
  const pools = listOf(fieldOf(config, 'address-pools'))
  const aliases = Object.entries(textsOf(fieldOf(config, 'bgp-communities')))
  const communities = aliases.map(([name, value]) => ({ name, value }))
  const objects = [
    ...pools.flatMap(pool => fromAddressPool(nameOf(pool), without(pool, 'name'))),
    ...listOf(fieldOf(config, 'peers')).map((peer, index) => object('BGPPeer', `peer${index + 1}`, without(peer))),
    ...listOf(fieldOf(config, 'bfd-profiles')).map(one => object('BFDProfile', nameOf(one), without(one, 'name'))),
    ...(communities.length > 0 ? [object('Community', 'communities', { communities })] : []),
  ]
  return { objects, remarks: [] }
}

/** A pool that says how it is announced: as a pool, and what announces it. */
export function fromAddressPool(name: string, spec: Spec): readonly SourceObject[] {
  const pool = object('IPAddressPool', name, without(spec, 'protocol', 'bgpAdvertisements'))
  const ipAddressPools = [name]
  if (spec['protocol'] !== 'bgp') return [pool, object('L2Advertisement', name, { ipAddressPools })]
  const advertisements = listOf(spec['bgpAdvertisements'])
  if (advertisements.length === 0) return [pool, object('BGPAdvertisement', name, { ipAddressPools })]
  return [
    pool,
    ...advertisements.map((one, index) =>
      object('BGPAdvertisement', index === 0 ? name : `${name}-${index + 1}`, { ...without(one), ipAddressPools }),
    ),
  ]
}

function object(kind: ConfigKind, name: string, spec: Spec): SourceObject {
  return { kind, name, labels: {}, annotations: {}, spec }
}

function nameOf(value: unknown): string {
  return textOf(fieldOf(value, 'name')) ?? ''
}

function without(value: unknown, ...fields: readonly string[]): Spec {
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
  return Object.fromEntries(entries.filter(([name]) => !fields.includes(name)))
}

/** Labels and aliases are people's own names, and stay. */
const verbatim = ['matchLabels', 'bgp-communities']

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, inner]) => {
    const today = names[name] ?? name
    return [today, verbatim.includes(today) ? inner : renamed(inner)] as const
  })
  return Object.fromEntries(entries)
}
