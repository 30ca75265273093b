import type { IpFamily } from '../net/address.ts'
import { formatRange } from '../net/range.ts'
import type { Paint } from './paint.ts'
import type { Picture } from './picture.ts'
import { table } from './table.ts'
import { formatCount } from './words.ts'

/** A pool and how full it is. */
export interface PoolView {
  readonly name: string
  readonly ready: boolean
  readonly reason: string
  readonly message: string
  readonly priority: number
  readonly autoAssign: boolean
  readonly ranges: readonly string[]
  /** Empty where the pool is set aside. */
  readonly usage: readonly FamilyUsage[]
}

export interface FamilyUsage {
  readonly family: IpFamily
  readonly size: bigint
  readonly inUse: bigint
  /** Given to nobody, since other stations have them. */
  readonly conflicting: bigint
}

/** Pools in the order in which they are tried, then those that are set aside. */
export function poolViews({ snapshot, ledger }: Picture): readonly PoolView[] {
  const { config, verdicts } = snapshot.resolved
  const own = verdicts.filter(({ kind }) => kind === 'IPAddressPool')
  const pools = config.pools.map((pool): PoolView => {
    const verdict = own.find(({ name }) => name === pool.name)
    return {
      name: pool.name,
      ready: verdict?.ready ?? true,
      reason: verdict?.reason ?? '',
      message: verdict?.message ?? '',
      priority: pool.serviceAllocation?.priority ?? 0,
      autoAssign: pool.autoAssign,
      ranges: pool.ranges.map(formatRange),
      usage: (['IPv4', 'IPv6'] as const).flatMap(family => {
        const usage = ledger.usage(pool.name, family)
        return usage ? [{ family, ...usage }] : []
      }),
    }
  })
  const setAside = own
    .filter(({ name }) => !config.pools.some(pool => pool.name === name))
    .map(({ name, reason, message }): PoolView => {
      return { name, ready: false, reason, message, priority: 0, autoAssign: false, ranges: [], usage: [] }
    })
  return [...pools, ...setAside]
}

/** Pools as a table: a bar for each family. */
export function poolsText(pools: readonly PoolView[], paint: Paint, options: { readonly wide: boolean }): string {
  if (pools.length === 0)
    return 'There is no IPAddressPool: no Service can get an address. docs/ and README.md have the first one.\n'
  const headings = ['pool', 'family', 'used', 'in use', 'free', 'ready', ...(options.wide ? ['auto', 'ranges'] : [])]
  const rows = pools.flatMap(pool => {
    const ready = pool.ready ? paint.good('True') : paint.bad(pool.reason)
    const wide = options.wide ? [pool.autoAssign ? 'yes' : 'no', pool.ranges.join(', ')] : []
    if (pool.usage.length === 0) return [[pool.name, '', '', '', '', ready, ...wide]]
    return pool.usage.map(({ family, size, inUse, conflicting }) => {
      const others = conflicting > 0n ? ` (${formatCount(conflicting)} elsewhere)` : ''
      const counts = [
        `${formatCount(inUse)} of ${formatCount(size)}`,
        `${formatCount(size - inUse - conflicting)}${others}`,
      ]
      return [pool.name, family, bar(inUse, size, paint), ...counts, ready, ...wide]
    })
  })
  const problems = pools.filter(({ ready }) => !ready).map(({ name, message }) => `\n${paint.bad(name)}: ${message}\n`)
  return table(headings, rows) + problems.join('')
}

const barLength = 20

/** `█████░░░░░  25%`: one address of a million is seen, and so is the last one that is free. */
export function bar(inUse: bigint, size: bigint, paint: Paint): string {
  const length = BigInt(barLength)
  const exact = size === 0n ? length : (inUse * length) / size
  const filled = inUse === 0n ? 0 : inUse === size ? barLength : Math.min(barLength - 1, Math.max(1, Number(exact)))
  const percent = size === 0n ? 100 : Number((inUse * 1000n) / size) / 10
  const text = `${'█'.repeat(filled)}${'░'.repeat(barLength - filled)} ${wordPercent(percent, inUse, size).padStart(5)}`
  return percent >= 90 ? paint.bad(text) : percent >= 75 ? paint.warn(text) : paint.good(text)
}

function wordPercent(percent: number, inUse: bigint, size: bigint): string {
  if (inUse > 0n && percent < 1) return '<1%'
  if (inUse < size && percent > 99) return '>99%'
  return `${Math.round(percent)}%`
}
