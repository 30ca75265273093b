import type { BfdSessionSettings, BfdSessionStatus } from '../bfd/messages.ts'
import { pathKey } from '../bfd/settings.ts'
import type { PeerStatus } from '../bgp/status.ts'
import type { NetworkInterface } from '../wire/messages.ts'
import { bfdSessionOf, type Ends, endsKey, type NodePeer } from './peers.ts'

/**
 * Which BFD sessions the peers want, and what came of them. Two systems have one BFD session for each way between them,
 * however many BGP sessions go that way (RFC 5881 §2), so peers may share one; its timers are those of the first by name.
 */
export interface BfdWishes {
  /** Works out the sessions anew, and tells where they are others than before. */
  settle(peers: readonly NodePeer[], statuses: readonly PeerStatus[], interfaces: readonly NetworkInterface[]): void
  /** Takes a report in; the peers whose BGP session falls with it. */
  take(status: BfdSessionStatus): readonly string[]
  statusOf(peer: string): BfdSessionStatus | undefined
}

export function createBfdWishes(setSessions: (sessions: readonly BfdSessionSettings[]) => void): BfdWishes {
  /** Where each peer's BGP session stands, or stood last. */
  const ends = new Map<string, Ends & { readonly key: string }>()
  const statuses = new Map<string, BfdSessionStatus>()
  let sessionOf: ReadonlyMap<string, string> = new Map()
  let told = '[]'

  function follow(peers: readonly NodePeer[], bgp: readonly PeerStatus[]): void {
    const keys = new Map(peers.map(peer => [peer.name, endsKey(peer)]))
    // A peer that is at another address now has not stood there yet.
    for (const [name, { key }] of ends) if (keys.get(name) !== key) ends.delete(name)
    for (const { name, remote, session } of bgp) {
      const key = keys.get(name)
      if (session && key !== undefined) ends.set(name, { key, remote, local: session.localAddress })
    }
  }

  return {
    settle(peers, bgp, interfaces) {
      follow(peers, bgp)
      const byPath = new Map<string, BfdSessionSettings>()
      const sessions = new Map<string, string>()
      for (const peer of peers) {
        const wanted = bfdSessionOf(peer, ends.get(peer.name), interfaces)
        if (!wanted) continue
        const path = pathKey(wanted)
        const session = byPath.get(path) ?? wanted
        byPath.set(path, session)
        sessions.set(peer.name, session.name)
      }
      sessionOf = sessions
      const desired = [...byPath.values()]
      const names = new Set(sessions.values())
      for (const name of statuses.keys()) if (!names.has(name)) statuses.delete(name)
      const text = JSON.stringify(desired)
      if (text === told) return
      told = text
      setSessions(desired)
    },
    take(status) {
      const users = [...sessionOf].filter(([, session]) => session === status.name).map(([peer]) => peer)
      if (users.length === 0) return []
      const before = statuses.get(status.name)
      statuses.set(status.name, status)
      return hasFallen(before, status) ? users : []
    },
    statusOf: peer => statuses.get(sessionOf.get(peer) ?? ''),
  }
}

/**
 * Whether the way to the router is lost. One that says AdminDown is not: its administrator has switched BFD off, and
 * nothing is known any more (RFC 5882 §3.2); nor is one that we ourselves do not want as it was.
 */
function hasFallen(before: BfdSessionStatus | undefined, after: BfdSessionStatus): boolean {
  if (before?.state !== 'Up' || after.state === 'Up' || after.state === 'AdminDown') return false
  return after.remote?.state !== 'AdminDown'
}
