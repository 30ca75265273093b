import type { Service, ServiceEndpoints } from '../../kube/service.ts'
import type { NodeFacts } from '../../speaker/advertisements.ts'
import { formatFacts, type SpeakerFacts, type SpeakerLease } from '../../speaker/layer2/facts.ts'
import { type Claim, type OwnershipRecord, type Published, recordKey, recordName } from '../../speaker/layer2/record.ts'

/*
 * What the API server is to speakers: objects with versions, writes that fail where somebody wrote before, and one order of
 * all changes. Each speaker reads that order at its own pace (node.ts); how it is reached is the network's matter.
 */

/** Everything of the cluster that no speaker writes. */
export interface ClusterConfig {
  readonly services: readonly Service[]
  readonly endpoints: (service: Service) => ServiceEndpoints
  readonly nodes: ReadonlyMap<string, NodeFacts>
}

export type Change =
  | { readonly kind: 'lease'; readonly node: string; readonly lease: SpeakerLease | undefined }
  | { readonly kind: 'record'; readonly key: string; readonly record: OwnershipRecord | undefined }
  | { readonly kind: 'config'; readonly config: ClusterConfig }

export interface ApiServer {
  /** All changes since the beginning. */
  readonly log: readonly Change[]
  readonly leases: ReadonlyMap<string, SpeakerLease>
  readonly records: ReadonlyMap<string, OwnershipRecord>
  readonly config: ClusterConfig
  renew(facts: SpeakerFacts, durationMs: number): string
  release(node: string, run: string): void
  /** False: a conflict. */
  claim(service: Service, claim: Claim, before: OwnershipRecord | undefined): boolean
  publish(record: OwnershipRecord, published: Published): boolean
  remove(record: OwnershipRecord): boolean
  configure(config: ClusterConfig): void
  onChange: (change: Change) => void
}

export function createApiServer(first: ClusterConfig): ApiServer {
  const log: Change[] = []
  const leases = new Map<string, SpeakerLease>()
  const records = new Map<string, OwnershipRecord>()
  let revision = 1
  let config = first

  function commit(change: Change): void {
    log.push(change)
    server.onChange(change)
  }

  function store(record: OwnershipRecord): void {
    records.set(record.key, record)
    commit({ kind: 'record', key: record.key, record })
  }

  const server: ApiServer = {
    log,
    leases,
    records,
    get config() {
      return config
    },
    onChange: () => {},
    renew(facts, durationMs) {
      const resourceVersion = String(++revision)
      const key = `berth-system/speaker-${facts.node}`
      const factsText = formatFacts(facts)
      const lease = { key, uid: key, resourceVersion, node: facts.node, durationMs, facts, factsText }
      leases.set(facts.node, lease)
      commit({ kind: 'lease', node: facts.node, lease })
      return resourceVersion
    },
    release(node, run) {
      if (leases.get(node)?.facts.run !== run) return
      leases.delete(node)
      commit({ kind: 'lease', node, lease: undefined })
    },
    claim(service, claim, before) {
      const key = recordKey(service)
      const now = records.get(key)
      if (now?.resourceVersion !== before?.resourceVersion) return false
      const { namespace } = service
      const base = now ?? { key, namespace, name: recordName(service), uid: key, published: undefined }
      store({ ...base, resourceVersion: String(++revision), claim })
      return true
    },
    publish(record, published) {
      const now = records.get(record.key)
      if (now?.resourceVersion !== record.resourceVersion) return false
      store({ ...now, resourceVersion: String(++revision), published })
      return true
    },
    remove(record) {
      if (records.get(record.key)?.resourceVersion !== record.resourceVersion) return false
      records.delete(record.key)
      commit({ kind: 'record', key: record.key, record: undefined })
      return true
    },
    configure(next) {
      config = next
      commit({ kind: 'config', config })
    },
  }
  return server
}
