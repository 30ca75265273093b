import { type Explanation, explainService } from '../../cli/explain.ts'
import { ownServices, type TroubledService } from '../../cli/status.ts'
import { shownAddresses } from '../../controller/request.ts'
import type { Service } from '../../kube/service.ts'
import { formatAddress } from '../../net/address.ts'
import { announcedCondition } from '../../speaker/condition.ts'
import { answeringNodes, type OwnershipRecord, recordKey } from '../../speaker/layer2/record.ts'
import { oncePerScene, type Scene } from './scene.ts'

/** What a Service has: all, an address that nobody announces, or none. */
export type ServiceState = 'announced' | 'not announced' | 'no address'

/** One line of the list. */
export interface ServiceRow {
  readonly service: string
  readonly state: ServiceState
  readonly addresses: readonly string[]
  readonly pool: string | undefined
  /** Who announces it at layer 2: several where they share its clients. */
  readonly nodes: readonly string[]
  readonly reason: string
  readonly message: string
  /** When its state last changed. */
  readonly since: string | undefined
}

/** Which of them, in which order, and which part of what is found. */
export interface ServiceQuery {
  /** Words that all have to be found: in name, address, pool, node or reason. */
  readonly search: string
  readonly state: ServiceState | undefined
  readonly sort: ServiceSort
  readonly offset: number
  readonly limit: number
}

export const serviceSorts = ['name', 'address', 'state', 'node', 'since'] as const
export type ServiceSort = (typeof serviceSorts)[number]

export interface ServicePage {
  readonly total: number
  /** How many the search finds, by their states. */
  readonly found: Readonly<Record<ServiceState, number>>
  /** How many of them are in the list, which `state` may have narrowed. */
  readonly listed: number
  readonly offset: number
  readonly rows: readonly ServiceRow[]
}

interface Indexed {
  readonly row: ServiceRow
  readonly text: string
  readonly firstAddress: bigint | undefined
}

export function servicesPage(scene: Scene, query: ServiceQuery): ServicePage {
  const words = query.search.toLowerCase().split(/\s+/).filter(Boolean)
  const found = indexOf(scene)[query.sort].filter(({ text }) => words.every(word => text.includes(word)))
  const counts: Record<ServiceState, number> = { announced: 0, 'not announced': 0, 'no address': 0 }
  for (const { row } of found) counts[row.state]++
  const listed = query.state === undefined ? found : found.filter(({ row }) => row.state === query.state)
  return {
    total: indexOf(scene).name.length,
    found: counts,
    listed: listed.length,
    offset: query.offset,
    rows: listed.slice(query.offset, query.offset + query.limit).map(({ row }) => row),
  }
}

/** Why it has its address or none, and who announces it: what `kubectl berth explain` prints. */
export function serviceView(scene: Scene, key: string): Explanation | undefined {
  const service = scene.picture.snapshot.services.get(key)
  return service && explainService(scene.picture, service)
}

const stateOrder: readonly ServiceState[] = ['no address', 'not announced', 'announced']

const orders: Readonly<Record<ServiceSort, (one: Indexed, other: Indexed) => number>> = {
  name: () => 0,
  address: ({ firstAddress: one }, { firstAddress: other }) =>
    one === other ? 0 : one === undefined ? 1 : other === undefined ? -1 : one < other ? -1 : 1,
  state: ({ row: one }, { row: other }) => stateOrder.indexOf(one.state) - stateOrder.indexOf(other.state),
  node: ({ row: one }, { row: other }) => compare(one.nodes[0] ?? '\uffff', other.nodes[0] ?? '\uffff'),
  since: ({ row: one }, { row: other }) => compare(other.since ?? '', one.since ?? ''),
}

/** All rows in every order that was asked for; equal ones by name. */
const indexOf = oncePerScene((scene: Scene) => {
  const rows = rowsOf(scene)
  const sorted: Partial<Record<ServiceSort, readonly Indexed[]>> = {}
  const by = (sort: ServiceSort): readonly Indexed[] => (sorted[sort] ??= rows.toSorted(orders[sort]))
  return {
    name: rows,
    get address() {
      return by('address')
    },
    get state() {
      return by('state')
    },
    get node() {
      return by('node')
    },
    get since() {
      return by('since')
    },
  }
})

function rowsOf({ picture, status }: Scene): readonly Indexed[] {
  const { snapshot, ledger } = picture
  const troubled = new Map(status.troubled.map(trouble => [trouble.service, trouble]))
  return ownServices(picture)
    .map(service =>
      indexed({
        service,
        trouble: troubled.get(service.key),
        pool: ledger.grantOf(service.key)?.pool,
        published: snapshot.records.get(recordKey(service))?.published,
      }),
    )
    .sort((one, other) => compare(one.row.service, other.row.service))
}

/** All that a line is made of. */
interface Origin {
  readonly service: Service
  readonly trouble: TroubledService | undefined
  readonly pool: string | undefined
  readonly published: OwnershipRecord['published']
}

/** The lines of the last scene: of most Services nothing has changed since. */
const known = new WeakMap<Service, { readonly origin: Origin; readonly made: Indexed }>()

function indexed(origin: Origin): Indexed {
  const before = known.get(origin.service)
  if (before && isSameOrigin(before.origin, origin)) return before.made
  const made = lineOf(origin)
  known.set(origin.service, { origin, made })
  return made
}

/** Services and records never change, but are replaced; what is wrong is said anew in each scene. */
function isSameOrigin(one: Origin, other: Origin): boolean {
  return (
    one.service === other.service &&
    one.published === other.published &&
    one.pool === other.pool &&
    one.trouble?.what === other.trouble?.what &&
    one.trouble?.reason === other.trouble?.reason &&
    one.trouble?.message === other.trouble?.message
  )
}

function lineOf({ service, trouble, pool, published }: Origin): Indexed {
  const said = service.conditions.find(({ type }) => type === announcedCondition)
  const shown = shownAddresses(service)
  const row: ServiceRow = {
    service: service.key,
    state: trouble?.what ?? 'announced',
    addresses: shown.map(formatAddress),
    pool,
    nodes: published ? answeringNodes(published) : [],
    reason: trouble?.reason ?? said?.reason ?? '',
    message: trouble?.message ?? said?.message ?? '',
    since: said?.lastTransitionTime ?? new Date(service.creationTimestampMs).toISOString(),
  }
  const words = [row.service, ...row.addresses, row.pool ?? '', ...row.nodes, row.reason]
  return { row, text: words.join(' ').toLowerCase(), firstAddress: shown[0]?.value }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
