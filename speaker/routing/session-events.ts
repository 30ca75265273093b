import type { EventToRecord, Regarding } from '../../kube/event-series.ts'
import type { PeerView } from './router.ts'
import { formatBfd, formatError, formatRouter, sessionVerdict, stopped } from './session-words.ts'

/*
 * Events of sessions, about the BGPPeer: on transitions only, and in words that do not change from one time to the next,
 * so that kube/events.ts counts the repeats of a session that flaps instead of writing each. Every node tells of its own
 * sessions, so each note begins with the node.
 */

/** What of a session's story Events have been made of. */
export interface SessionMemory {
  /** The session that stood when it was looked at last: with whom, and since when. */
  readonly stood: { readonly router: string; readonly sinceMs: number } | undefined
  readonly establishedCount: number
  readonly bfdUp: boolean
}

export const nothingHappened: SessionMemory = { stood: undefined, establishedCount: 0, bfdUp: false }

/** An Event but for the object that it is about. */
export type SessionEvent = Pick<EventToRecord, 'type' | 'reason' | 'note'>

/** What is to be told of a session since the last time, and what to remember for the next. */
export function sessionEvents(
  before: SessionMemory,
  view: PeerView,
  node: string,
): { readonly memory: SessionMemory; readonly events: readonly SessionEvent[] } {
  const { status, bfd } = view
  const { stood } = before
  const events: SessionEvent[] = []
  // Session and state change one after the other; it stands when both say so.
  const isUp = status?.state === 'Established' && status.session !== undefined
  const stands = isUp ? { router: formatRouter(status), sinceMs: status.sinceMs } : undefined
  // It may have fallen and come back since it was looked at last.
  const isAnother = stands?.sinceMs !== stood?.sinceMs
  if (stood && isAnother) {
    const why = whyDown(before, view)
    const note = `node ${node}: the session with ${stood.router} is down${why === undefined ? '' : `; ${why}`}`
    events.push({ type: 'Warning', reason: 'SessionDown', note })
  }
  if (stands && isAnother) {
    const families = status?.session?.negotiated.families.join(' and ')
    const note = `node ${node}: the session with ${stands.router} is up, for ${families}`
    events.push({ type: 'Normal', reason: 'SessionUp', note })
  }
  // A router that has switched BFD off says so, and that is no failure (RFC 5882 §3.2).
  if (before.bfdUp && bfd && bfd.state !== 'Up' && bfd.state !== 'AdminDown' && bfd.remote?.state !== 'AdminDown') {
    const router = stands?.router ?? stood?.router ?? status?.remote ?? view.peer.name
    events.push({ type: 'Warning', reason: 'BFDDown', note: `node ${node}: ${router}: ${formatBfd(bfd)}` })
  }
  const memory = {
    stood: stands,
    establishedCount: status?.establishedCount ?? 0,
    bfdUp: bfd?.state === 'Up',
  }
  return { memory, events }
}

/** Why the last session ended; another may stand already. */
function whyDown({ establishedCount }: SessionMemory, view: PeerView): string | undefined {
  const { peer, status } = view
  if (peer.problem !== undefined) return peer.problem
  if (!status) return stopped
  // A peer whose settings change counts from zero again.
  const isNew = status.establishedCount < establishedCount + (status.session ? 1 : 0)
  if (isNew) return 'its settings have changed'
  if (status.session) return status.lastError && formatError(status.lastError)
  return sessionVerdict(view).message
}

/** The Event about a session that is ended on purpose; none where it did not stand. */
export function endedEvent(
  { stood }: SessionMemory,
  node: string,
  why: 'removed' | 'stopped',
): SessionEvent | undefined {
  if (!stood) return undefined
  const words = { removed: 'the BGPPeer is not for this node any more', stopped }
  return {
    type: 'Normal',
    reason: 'SessionDown',
    note: `node ${node}: the session with ${stood.router} is down; ${words[why]}`,
  }
}

/** The object that a session's Events are about. */
export function regardingPeer(peer: {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}): Regarding {
  const { namespace, name, uid } = peer
  return { apiVersion: 'berth.dev/v1beta1', kind: 'BGPPeer', namespace, name, uid }
}
