import type { PeerSettings } from './settings.ts'
import type { ListenerOptions } from './tcp.ts'

/** What can only be set on all connections of a listener. */
export type ListenerTerms = Pick<ListenerOptions, 'family' | 'device' | 'ttl' | 'minimumTtl' | 'signed'>

/** Peers of one listener: the port is one for each family and device. */
export function listenerKey({ remote, device }: Pick<PeerSettings, 'remote' | 'device'>): string {
  return `${remote.address.family} ${device ?? ''}`
}

/** How far packets go that leave with the kernel's own TTL: as it comes, and as nobody has reason to shorten it. */
const kernelTtl = 64

/**
 * What the peers of one listener have in common. Packets must reach the farthest of them, so that the greatest TTL
 * counts: a router that is next to us is no worse off by it, and what GTSM asks for is the greatest there is.
 */
export function listenerTerms(group: readonly PeerSettings[]): ListenerTerms {
  const farthest = Math.max(...group.map(({ ttl }) => ttl ?? kernelTtl))
  const isKernels = farthest === kernelTtl && group.some(({ ttl }) => ttl === undefined)
  return {
    family: group[0]?.remote.address.family ?? 'IPv4',
    device: group[0]?.device,
    ttl: isKernels ? undefined : farthest,
    // The kernel checks before it is known who dials: only what all of them keep can be asked for.
    minimumTtl: Math.min(...group.map(({ minimumTtl }) => minimumTtl ?? 0)) || undefined,
    signed: group.some(({ password }) => password !== undefined),
  }
}

export function sameTerms(one: ListenerTerms, other: ListenerTerms): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
