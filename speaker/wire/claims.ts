const windowMs = 1_000
const mostPerWindow = 4

/**
 * Which claims of other stations are worth telling: each station's on each address at once, and then at most once a
 * second. Claims are easily forged, so at most four stations a second count per address.
 */
export function createClaimFilter(): (key: string, mac: string, nowMs: number) => boolean {
  const windows = new Map<string, { readonly startMs: number; readonly macs: Set<string> }>()
  return (key, mac, nowMs) => {
    const window = windows.get(key)
    if (!window || nowMs - window.startMs >= windowMs) {
      windows.set(key, { startMs: nowMs, macs: new Set([mac]) })
      return true
    }
    if (window.macs.has(mac) || window.macs.size >= mostPerWindow) return false
    window.macs.add(mac)
    return true
  }
}
