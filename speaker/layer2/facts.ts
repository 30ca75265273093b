import { fieldOf, identityOf, listOf, numberOf, textOf, textsOf } from '../../kube/json.ts'

/** What one interface of a node offers to layer 2. */
export interface InterfaceFacts {
  readonly name: string
  /** Lower-case pairs joined by colons: whoever sees a packet from it knows which speaker sent it. */
  readonly mac: string
  readonly carrier: boolean
  /** The networks it stands in, as prefixes such as `192.0.2.0/24`; link-local ones left out. */
  readonly subnets: readonly string[]
  /** Absent, as the next: a speaker of an older version, which does not say. */
  readonly mtu?: number | undefined
  /** How the kernel checks where IPv4 packets come from: 0 not at all, 1 strictly, 2 loosely. */
  readonly rpFilter?: number | undefined
}

/** Why a node is to have an address only where no other node can: better it than nobody. */
export type Reluctance =
  /** Cordoned (`by` says so), or tainted with this. */
  | { readonly kind: 'drained'; readonly by: string }
  /** Its kube-proxy has said that it is not healthy, or nothing at all. */
  | { readonly kind: 'proxyUnhealthy' }

/** What a speaker says of itself in its Lease, for all the others to decide by. */
export interface SpeakerFacts {
  readonly node: string
  /** New with every start of the process. */
  readonly run: string
  /** It is about to stop and wants its addresses taken over. */
  readonly leaving: boolean
  /** Those that can announce at layer 2, in the order of their names. */
  readonly interfaces: readonly InterfaceFacts[]
  /** Absent: none. */
  readonly reluctance?: Reluctance | undefined
}

/** A speaker's Lease, parsed. */
export interface SpeakerLease {
  readonly key: string
  readonly resourceVersion: string
  readonly uid: string
  readonly node: string
  readonly durationMs: number
  readonly facts: SpeakerFacts
  /** The facts as they were written; equal text is equal facts. */
  readonly factsText: string
}

/** Marks the Leases that are speakers' and no other component's. */
export const speakerLeaseLabel = 'berth.dev/lease'
export const speakerLeaseLabelValue = 'speaker'
/** Where a Lease carries its speaker's facts. */
export const factsAnnotation = 'berth.dev/speaker-facts'

// Node names may have 253 characters and so may Lease names, which have a prefix of ours to carry as well.
const longestLeaseName = 253

/** The name of the Lease that a node's speaker holds. */
export function speakerLeaseName(node: string): string {
  const name = `speaker-${node}`
  return name.length <= longestLeaseName ? name : name.slice(0, longestLeaseName).replace(/[^a-z0-9]+$/, '')
}

/** The facts as JSON, the same text for the same facts. */
export function formatFacts(facts: SpeakerFacts): string {
  const interfaces = facts.interfaces
    .map(({ name, mac, carrier, subnets, mtu, rpFilter }) => ({
      name,
      mac,
      carrier,
      subnets: [...subnets].sort(),
      mtu,
      rpFilter,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
  const { node, run, leaving, reluctance } = facts
  return JSON.stringify({ node, run, leaving, interfaces, reluctance })
}

/** The facts that a text names, or undefined: another version's speaker may write what this one cannot read. */
export function parseFacts(text: string): SpeakerFacts | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const node = textOf(fieldOf(value, 'node'))
  const run = textOf(fieldOf(value, 'run'))
  if (!node || !run) return undefined
  const interfaces = listOf(fieldOf(value, 'interfaces')).flatMap(parseInterface)
  const reluctance = parseReluctance(fieldOf(value, 'reluctance'))
  return { node, run, leaving: fieldOf(value, 'leaving') === true, interfaces, ...(reluctance && { reluctance }) }
}

function parseReluctance(value: unknown): Reluctance | undefined {
  const kind = textOf(fieldOf(value, 'kind'))
  if (kind === 'drained') return { kind, by: textOf(fieldOf(value, 'by')) ?? '' }
  return kind === 'proxyUnhealthy' ? { kind } : undefined
}

function parseInterface(value: unknown): readonly InterfaceFacts[] {
  const name = textOf(fieldOf(value, 'name'))
  const mac = textOf(fieldOf(value, 'mac'))
  if (name === undefined || mac === undefined) return []
  const subnets = listOf(fieldOf(value, 'subnets')).filter(subnet => typeof subnet === 'string')
  const [mtu, rpFilter] = [numberOf(fieldOf(value, 'mtu')), numberOf(fieldOf(value, 'rpFilter'))]
  return [
    {
      name,
      mac,
      carrier: fieldOf(value, 'carrier') === true,
      subnets,
      ...(mtu !== undefined && { mtu }),
      ...(rpFilter !== undefined && { rpFilter }),
    },
  ]
}

/** A Lease object as the API server sends it, or undefined where it is no speaker's or given back. Never throws. */
export function parseSpeakerLease(object: unknown): SpeakerLease | undefined {
  const identity = identityOf(object)
  const spec = fieldOf(object, 'spec')
  const factsText = textsOf(fieldOf(fieldOf(object, 'metadata'), 'annotations'))[factsAnnotation]
  const facts = factsText === undefined ? undefined : parseFacts(factsText)
  if (!identity || !facts || factsText === undefined || !textOf(fieldOf(spec, 'holderIdentity'))) return undefined
  const { key, uid, resourceVersion } = identity
  const durationMs = (numberOf(fieldOf(spec, 'leaseDurationSeconds')) ?? 10) * 1000
  return { key, resourceVersion, uid, node: facts.node, durationMs, facts, factsText }
}
