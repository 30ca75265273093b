import type { Paint } from './paint.ts'
import type { Picture } from './picture.ts'
import type { Session } from './session.ts'
import { table } from './table.ts'
import { ago } from './words.ts'

/** A session as it stands, or why it does not. */
export interface PeerView {
  readonly node: string
  readonly peer: string
  readonly remote: string
  readonly peerASN: number | undefined
  readonly state: string
  readonly bfd: string | undefined
  readonly sent: number
  readonly received: number
  readonly since: string | undefined
  readonly localAddress: string | undefined
  /** How often it was established. */
  readonly established: number
  readonly lastError: string | undefined
  readonly problem: string | undefined
}

/** Every session that there should be, by node and peer: also those of which no speaker has said anything. */
export function peerViews({ snapshot, routes }: Picture): readonly PeerView[] {
  const known = new Map(snapshot.sessions.map(session => [`${session.node} ${session.peer}`, session]))
  const wanted = [...snapshot.nodes.keys()].flatMap(node => routes.peersOf(node).map(peer => ({ node, peer })))
  const missing = wanted
    .filter(({ node, peer }) => !known.has(`${node} ${peer}`))
    .map(({ node, peer }): PeerView => {
      const problem = 'no speaker has said anything of it: does one run on that node?'
      return { ...nothing, node, peer, remote: '', state: '', problem }
    })
  return [...snapshot.sessions.map(viewOf), ...missing].sort((one, other) =>
    `${one.node} ${one.peer}` < `${other.node} ${other.peer}` ? -1 : 1,
  )
}

const nothing = {
  peerASN: undefined,
  bfd: undefined,
  sent: 0,
  received: 0,
  since: undefined,
  localAddress: undefined,
  established: 0,
  lastError: undefined,
}

function viewOf(session: Session): PeerView {
  const { node, peer, remote = '', peerASN, state, bfd, sent, received, since, localAddress, established } = session
  const { lastError, problem, conditions } = session
  const said = conditions.find(({ type }) => type === 'Established')?.message
  return {
    node,
    peer,
    remote,
    peerASN,
    state: state ?? 'Unknown',
    bfd,
    sent,
    received,
    since,
    localAddress,
    established,
    lastError,
    problem: problem ?? (state === 'Established' ? undefined : (said ?? lastError)),
  }
}

/** Whether the session stands. */
export function isUp({ state }: PeerView): boolean {
  return state === 'Established'
}

/** Sessions as a table, and below it what is wrong with each. */
export function peersText(
  peers: readonly PeerView[],
  nowMs: number,
  paint: Paint,
  options: { readonly wide: boolean },
): string {
  if (peers.length === 0)
    return 'There is no BGP session: no BGPPeer selects any node. docs/bgp.md has the first one.\n'
  const more = options.wide ? ['local', 'times up', 'last error'] : []
  const headings = ['node', 'peer', 'remote', 'as', 'state', 'bfd', 'sent', 'received', 'since', ...more]
  const rows = peers.map(peer => [
    peer.node,
    peer.peer,
    peer.remote,
    peer.peerASN === undefined ? '' : String(peer.peerASN),
    isUp(peer) ? paint.good(peer.state) : paint.bad(peer.state || 'none'),
    peer.bfd === undefined || peer.bfd === 'Up' ? (peer.bfd ?? '') : paint.bad(peer.bfd),
    String(peer.sent),
    String(peer.received),
    ago(peer.since, nowMs),
    ...(options.wide ? [peer.localAddress ?? '', String(peer.established), peer.lastError ?? ''] : []),
  ])
  const up = peers.filter(isUp).length
  const problems = peers.flatMap(({ node, peer, problem }) =>
    problem ? [`${paint.bad(`${node} – ${peer}`)}: ${problem}\n`] : [],
  )
  const end = problems.length > 0 ? `\n${problems.join('')}` : ''
  return `${table(headings, rows)}\n${up} of ${peers.length} sessions established.\n${end}`
}
