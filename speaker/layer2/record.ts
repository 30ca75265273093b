import { fieldOf, identityOf, listOf, textOf, textsOf } from '../../kube/json.ts'
import type { Service } from '../../kube/service.ts'
import { recordGroup, serviceRecordMetadata } from '../record-metadata.ts'

/*
 * A ServiceL2Status per announced Service, in the Service's namespace and owned by it, so that it vanishes with it. It
 * says two things at different times, and that is what makes a planned move lossless:
 *
 *   claim      (annotation)  who has the right: written first, with the resourceVersion that was read, so that of two
 *                            speakers one gets it. The next election keeps it there.
 *   published  (status)      who answers on the wire: written when the first gratuitous packets have left. The former
 *                            owner goes on answering until it sees this, or the packets themselves.
 *
 * Nothing here is renewed: at rest a Service costs no writes.
 */

/** Why a node took a Service, for people. */
export type ClaimedBecause = (typeof reasons)[number]

const reasons = [
  'first',
  'ownerGone',
  'ownerUnheard',
  'ownerLeaving',
  'ownerUnable',
  'ownerDrained',
  'ownerProxyUnhealthy',
  'preferred',
  'spread',
  'migrated',
] as const

/** The right to announce. */
export interface Claim {
  readonly node: string
  readonly because: ClaimedBecause
  /** Who had it before. */
  readonly from: string | undefined
}

/** What the network has been told. */
export interface Published {
  readonly node: string
  /** Canonical text, sorted. */
  readonly addresses: readonly string[]
  /** Sorted. */
  readonly interfaces: readonly string[]
  /** All that answer, each a part of the clients; absent where one node answers all. */
  readonly sharers?: readonly string[]
}

/** Every node that answers, sorted. */
export function answeringNodes({ node, sharers }: Published): readonly string[] {
  return sharers ?? [node]
}

/** A ServiceL2Status, parsed. */
export interface OwnershipRecord {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly claim: Claim | undefined
  readonly published: Published | undefined
}

/** The group, version and plural of the kind. */
export const recordApi = { ...recordGroup, plural: 'servicel2statuses' } as const
const claimAnnotation = 'berth.dev/claim'

/** The name of a Service's record: a Service that is deleted and made again gets another. */
export function recordName(service: Pick<Service, 'name' | 'uid'>): string {
  return `${service.name}-${service.uid.slice(0, 8)}`
}

// Asked for several times per Service and plan.
const keys = new WeakMap<Pick<Service, 'namespace' | 'name' | 'uid'>, string>()

/** Where a store keeps a Service's record. */
export function recordKey(service: Pick<Service, 'namespace' | 'name' | 'uid'>): string {
  const known = keys.get(service)
  if (known !== undefined) return known
  const key = `${service.namespace}/${recordName(service)}`
  keys.set(service, key)
  return key
}

/** The ServiceL2Status that an object is, or undefined where it is none. Never throws. */
export function parseRecord(object: unknown): OwnershipRecord | undefined {
  const identity = identityOf(object)
  if (identity === undefined || identity.namespace === '') return undefined
  const { key, namespace, name, uid, resourceVersion } = identity
  const annotations = textsOf(fieldOf(fieldOf(object, 'metadata'), 'annotations'))
  const status = fieldOf(object, 'status')
  return {
    key,
    namespace,
    name,
    uid,
    resourceVersion,
    claim: parseClaim(annotations[claimAnnotation]),
    published: parsePublished(status),
  }
}

function parseClaim(text: string | undefined): Claim | undefined {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    return undefined
  }
  const node = textOf(fieldOf(value, 'node'))
  const because = reasons.find(reason => reason === fieldOf(value, 'because'))
  if (!node) return undefined
  return { node, because: because ?? 'first', from: textOf(fieldOf(value, 'from')) }
}

function parsePublished(status: unknown): Published | undefined {
  const node = textOf(fieldOf(status, 'node'))
  if (!node) return undefined
  const sharers = texts(listOf(fieldOf(status, 'sharers')))
  return {
    node,
    ...(sharers.length > 0 && { sharers }),
    addresses: texts(listOf(fieldOf(status, 'addresses'))),
    interfaces: texts(listOf(fieldOf(status, 'interfaces')).map(entry => fieldOf(entry, 'name'))),
  }
}

function texts(values: readonly unknown[]): readonly string[] {
  return values.filter(value => typeof value === 'string').sort()
}

/** What a claim writes into `metadata`; with a record, on condition that it has not changed. */
export function claimMetadata(
  service: Service,
  claim: Claim,
  record: OwnershipRecord | undefined,
  installation: string,
): object {
  return {
    ...serviceRecordMetadata(service, claim.node, installation),
    name: recordName(service),
    ...(record && { resourceVersion: record.resourceVersion }),
    annotations: { [claimAnnotation]: JSON.stringify(claim) },
  }
}

/** What a publication writes into `status`. */
export function publishedStatus(service: Service, published: Published, since: string | undefined): object {
  return {
    node: published.node,
    serviceName: service.name,
    serviceNamespace: service.namespace,
    addresses: published.addresses,
    addressList: published.addresses.join(', '),
    interfaces: published.interfaces.map(name => ({ name })),
    // A merge patch keeps what it does not name.
    sharers: published.sharers ?? null,
    ...(since !== undefined && { since }),
  }
}

/** Whether two publications say the same. */
export function samePublished(one: Published | undefined, other: Published): boolean {
  return (
    one?.node === other.node &&
    one.addresses.join() === other.addresses.join() &&
    one.interfaces.join() === other.interfaces.join() &&
    one.sharers?.join() === other.sharers?.join()
  )
}

/** Whether the one before was taken for dead, and never said that it stops: it may be there after all, and answer. */
export function fromTheDead({ because }: Pick<Claim, 'because'>): boolean {
  return because === 'ownerGone' || because === 'ownerUnheard'
}

/** A claim's reason in words that go behind a semicolon. */
export function formatBecause({ because, from }: Claim): string {
  switch (because) {
    case 'first':
      return 'nobody announced it before'
    case 'ownerGone':
      return `the speaker of ${from} does not renew its Lease`
    case 'ownerUnheard':
      return `the speakers that watch ${from} no longer heard it`
    case 'ownerLeaving':
      return `the speaker of ${from} is stopping`
    case 'ownerUnable':
      return `${from} can no longer announce it`
    case 'ownerDrained':
      return `${from} is being drained`
    case 'ownerProxyUnhealthy':
      return `kube-proxy of ${from} is not healthy`
    case 'preferred':
      return 'this node is preferred'
    case 'spread':
      return `${from} announces more than its share`
    case 'migrated':
      return 'MetalLB announced it from here'
  }
}

/**
 * A claim that `kubectl berth migrate` has written for the node from which MetalLB announces the Service. It waits for
 * the configuration that is about to be applied, and means nothing until then.
 */
export function isAwaited(record: OwnershipRecord | undefined): boolean {
  return record?.claim?.because === 'migrated' && record.published === undefined
}
