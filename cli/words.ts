/** How long ago an RFC 3339 time was: `40s`, `5m`, `3h`, `12d`; empty where there is none. */
export function ago(time: string | undefined, nowMs: number): string {
  const atMs = Date.parse(time ?? '')
  return Number.isNaN(atMs) ? '' : formatSpan(nowMs - atMs)
}

/** A span in its largest unit that leaves at least 2 of it, as kubectl writes ages. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`
}

/** `1 node`, `2 nodes`. */
export function counted(count: number | bigint, noun: string): string {
  return `${count} ${noun}${count === 1 || count === 1n ? '' : 's'}`
}

/** A large count, exact up to a million, the nearest power of two above. */
export function formatCount(count: bigint): string {
  return count <= 1_048_576n ? String(count) : `2^${(count - 1n).toString(2).length}`
}
