import type { Logger } from 'pino'
import { latestConflicts } from '../crds/pool-conflicts.ts'
import type { ConfigVerdict } from '../crds/resolve.ts'
import { type IPAddressPoolStatus, resourcePath } from '../crds/resources.ts'
import { isConflict, isNotFound } from '../kube/api-error.ts'
import { patchStatus } from '../kube/apply.ts'
import { formatTime, setCondition } from '../kube/conditions.ts'
import { createQueue, type Queue } from '../kube/queue.ts'
import type { Transport } from '../kube/transport.ts'
import { formatAddress, type IpFamily } from '../net/address.ts'
import type { ConfigWatch } from './config-watch.ts'
import type { LedgerView } from './ledger.ts'
import { fieldManager } from './reconcile.ts'

/** What `kubectl get ipaddresspools` shows of a pool's use. */
export interface PoolCounts {
  readonly assigned: string
  readonly available: string
  readonly assignedIPv4: number
  readonly assignedIPv6: number
  readonly availableIPv4: number
  readonly availableIPv6: number
}

/** Writes what became of each object of the configuration into its status: only what changed, counters at most once a second. */
export interface ConfigStatus {
  /** The configuration may have new verdicts. */
  verdictsChanged(): void
  /** The pool gave out or got back an address. */
  poolUsed(pool: string): void
  run(signal: AbortSignal): Promise<void>
  readonly queue: Queue<string>
}

export interface ConfigStatusOptions {
  readonly transport: Transport
  readonly namespace: string
  readonly config: ConfigWatch
  readonly ledger: LedgerView
  readonly mayWrite: () => boolean
  readonly log: Logger
}

const counterDelayMs = 1_000

export function createConfigStatus(options: ConfigStatusOptions): ConfigStatus {
  const { transport, namespace, config, ledger, mayWrite, log } = options
  const written = new Map<string, string>()
  const queue = createQueue<string>({
    name: 'config status',
    concurrency: 2,
    process: writeOne,
    onError: (key, err, attempt) => log.warn({ object: key, attempt, err }, 'cannot write the status; trying again'),
  })

  async function writeOne(id: string): Promise<void> {
    const verdict = config.resolved().verdicts.find(one => idOf(one) === id)
    if (!verdict || !mayWrite()) {
      written.delete(id)
      return
    }
    const { kind, key, ready, reason, message, generation: observedGeneration } = verdict
    const status = ready ? 'True' : 'False'
    const conditions = setCondition(
      verdict.conditions,
      { type: 'Ready', status, reason, message, observedGeneration },
      new Date(),
    )
    const counts =
      kind === 'IPAddressPool'
        ? { ...poolCounts(ledger, verdict.name), ...poolConflicts(ledger, verdict.name), observedGeneration }
        : {}
    const told = `${verdict.uid} ${JSON.stringify(counts)}`
    if (conditions === verdict.conditions && written.get(id) === told) return
    try {
      await patchStatus(transport, {
        path: `${resourcePath(kind, verdict.namespace)}/${verdict.name}`,
        resourceVersion: verdict.resourceVersion,
        patch: { status: { ...counts, ...(conditions !== verdict.conditions && { conditions }) } },
        fieldManager,
      })
    } catch (error) {
      if (isNotFound(error)) return
      // The watch brings the newer object; until then there is nothing better to write.
      if (isConflict(error)) return queue.addAfter(id, counterDelayMs / 10)
      throw error
    }
    written.set(id, told)
    if (conditions !== verdict.conditions) log.info({ kind, object: key, ready, reason }, message)
  }

  return {
    queue,
    verdictsChanged() {
      for (const verdict of config.resolved().verdicts) queue.add(idOf(verdict))
    },
    poolUsed(pool) {
      queue.addAfter(`IPAddressPool ${namespace}/${pool}`, counterDelayMs)
    },
    run: signal => queue.run(signal),
  }
}

function idOf({ kind, key }: Pick<ConfigVerdict, 'kind' | 'key'>): string {
  return `${kind} ${key}`
}

/** The pool's numbers; zeros where it is not in use. */
export function poolCounts(ledger: LedgerView, pool: string): PoolCounts {
  const of = (family: IpFamily): { readonly inUse: bigint; readonly free: bigint } => {
    const usage = ledger.usage(pool, family)
    return usage ? { inUse: usage.inUse, free: usage.size - usage.inUse - usage.conflicting } : { inUse: 0n, free: 0n }
  }
  const [four, six] = [of('IPv4'), of('IPv6')]
  return {
    assigned: formatCount(four.inUse + six.inUse),
    available: formatCount(four.free + six.free),
    assignedIPv4: clamped(four.inUse),
    assignedIPv6: clamped(six.inUse),
    availableIPv4: clamped(four.free),
    availableIPv6: clamped(six.free),
  }
}

/** What other stations have of a pool; null, which takes the fields away, where the pool does not look for that. */
export function poolConflicts(
  ledger: LedgerView,
  pool: string,
): Pick<IPAddressPoolStatus, 'conflicting' | 'conflicts'> | { readonly conflicting: null; readonly conflicts: null } {
  const conflicts = ledger.conflictsIn(pool)
  if (!conflicts) return { conflicting: null, conflicts: null }
  return {
    conflicting: conflicts.length,
    conflicts: latestConflicts(conflicts).map(({ address, mac, interface: on, seenAtMs }) => ({
      address: formatAddress(address),
      macAddress: mac,
      interface: on,
      lastSeen: formatTime(new Date(seenAtMs)),
    })),
  }
}

/** JSON numbers are exact up to here; the schema says that this much stands for "or more". */
function clamped(count: bigint): number {
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(count)
}

/** Exact up to a million, the nearest power of two above: nobody reads 18446744073709551610. */
function formatCount(count: bigint): string {
  if (count <= 1_048_576n) return String(count)
  const bits = count.toString(2).length
  const half = 3n << BigInt(bits - 2)
  return `2^${count >= half ? bits : bits - 1}`
}
