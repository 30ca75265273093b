import { formatSpan } from '../../cli/words.ts'

export { counted } from '../../cli/words.ts'

const grouped = new Intl.NumberFormat('en')

/** A count with its digits in groups, exact up to ten millions, the nearest power of two above. */
export function count(value: number | string | bigint): string {
  const exact = BigInt(value)
  if (exact <= 10_000_000n) return grouped.format(exact)
  const power = (exact - 1n).toString(2).length
  return exact === 1n << BigInt(power) ? `2^${power}` : `about 2^${power}`
}

/** A part of a whole from 0 to 1; something is never nothing, and not all is never all. */
export function share(part: number | string, whole: number | string): number {
  const all = BigInt(whole)
  return all === 0n ? 0 : Number((BigInt(part) * 1_000_000n) / all) / 1_000_000
}

/** `<1%`, `40%`, `>99%`, `100%`. */
export function percent(part: number | string, whole: number | string): string {
  const exact = share(part, whole) * 100
  if (BigInt(part) > 0n && exact < 1) return '<1%'
  if (BigInt(part) < BigInt(whole) && exact > 99) return '>99%'
  return `${Math.round(exact)}%`
}

/** How long ago, by the cluster's time; empty where there is no time. */
export function since(time: string | number | undefined, nowMs: number): string {
  const atMs = typeof time === 'number' ? time : Date.parse(time ?? '')
  return Number.isNaN(atMs) ? '' : formatSpan(nowMs - atMs)
}

/** `14:03:09`, in the reader's own time zone. */
export function clock(atMs: number): string {
  return new Date(atMs).toLocaleTimeString('en-GB')
}

/** `Monday, 23 November`. */
export function day(atMs: number): string {
  return new Date(atMs).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' })
}

/** `NoUsableEndpoints` as words: `No usable endpoints`. */
export function spoken(reason: string): string {
  const words = reason.replace(/([a-z0-9])([A-Z])/g, '$1 $2').replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
  const [first = '', ...more] = words.split(' ').map(word => (/^[A-Z]{2,}s?$/.test(word) ? word : word.toLowerCase()))
  return [first.charAt(0).toUpperCase() + first.slice(1), ...more].join(' ')
}
