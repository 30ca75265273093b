import type { BGPCommunity } from './config.ts'

const maxHalf = 2 ** 16 - 1
const maxPart = 2 ** 32 - 1

/** The community that a text gives as numbers: `65000:100` (RFC 1997) or `large:65000:1:2` (RFC 8092); else undefined. */
export function parseCommunity(text: string): BGPCommunity | undefined {
  const standard = /^(\d{1,5}):(\d{1,5})$/.exec(text)
  if (standard) {
    const [high, low] = [Number(standard[1]), Number(standard[2])]
    return high <= maxHalf && low <= maxHalf ? { kind: 'standard', high, low } : undefined
  }
  const large = /^large:(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)
  if (!large) return undefined
  const [globalAdministrator, data1, data2] = [Number(large[1]), Number(large[2]), Number(large[3])]
  if (globalAdministrator > maxPart || data1 > maxPart || data2 > maxPart) return undefined
  return { kind: 'large', globalAdministrator, data1, data2 }
}
