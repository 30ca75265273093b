import { score } from './election.ts'

/*
 * Several nodes answer for one address, each client always the same one: by rendezvous hashing of the client's hardware
 * address over the nodes, for each address anew: a router that stands before all clients is spread by the addresses. Nobody has to be asked: questions are broadcast, so every node hears every client, and all that
 * know the same nodes come to the same answerer. Where a node leaves only its clients change, where one joins only those
 * that it gets do.
 *
 * A client that has an answer keeps it as long as it uses it, whatever is decided by now. So every node remembers of each
 * client whose it became when it asked last; and when that node is no longer among them, the one that follows tells the
 * client, and nobody else: a broadcast would pull all clients to its sender.
 *
 * Who follows is chosen among the nodes that heard the client ask and have been there ever since, for one that was started
 * later does not know it. Nodes need not agree on who these are: the best of all of them is the best of those that it counts
 * itself, so somebody always tells.
 *
 * Left out: where no node is left that heard a client, it finds the next one by itself, when its cache asks again (Linux:
 * within half a minute).
 */

/** The nodes that share an address; `self` is the one that this is said to. */
export interface Sharing {
  readonly self: string
  /** Sorted; not always with `self`. */
  readonly nodes: readonly string[]
}

/** The node that answers this client, known by its hardware address as text, for the address; undefined where there are no nodes. */
export function answererFor(client: string, address: string, nodes: readonly string[]): string | undefined {
  const key = `${address} ${client}`
  let best: string | undefined
  let bestScore = -1
  for (const node of nodes) {
    const nodeScore = score(key, node)
    if (nodeScore > bestScore || (nodeScore === bestScore && best !== undefined && node < best)) {
      best = node
      bestScore = nodeScore
    }
  }
  return best
}

/** The clients of one address: whose each is. Changed in place, since every request does. */
export interface Clients {
  readonly address: string
  readonly known: Map<string, KnownClient>
  /** Those that are to be told that they are ours now, and how often still. */
  readonly untold: Map<string, number>
}

interface KnownClient {
  readonly answerer: string
  /** The nodes that shared the address when it asked, and have ever since. */
  readonly hearers: readonly string[]
}

/** How many clients are remembered for each address; those that asked last stay. */
export const mostClients = 4_096
/** A packet may be lost. */
const timesTold = 3

export function noClients(address: string): Clients {
  return { address, known: new Map(), untold: new Map() }
}

/**
 * A client has asked: whether it is ours to answer. One that asks us alone (`direct`) has us in its cache, and looks whether
 * we are still there: it stays with us, whoever has joined since.
 */
export function takeQuestion(
  { address, known, untold }: Clients,
  client: string,
  { self, nodes }: Sharing,
  direct = false,
): boolean {
  const answerer = direct && nodes.includes(self) ? self : answererFor(client, address, nodes)
  known.delete(client)
  if (answerer === undefined) return false
  // It hears the answer to its question.
  untold.delete(client)
  known.set(client, { answerer, hearers: nodes })
  if (known.size > mostClients) {
    const [oldest] = known.keys()
    if (oldest !== undefined) {
      known.delete(oldest)
      untold.delete(oldest)
    }
  }
  return answerer === self
}

/** The nodes are others now: clients whose node is no longer among them become another's, and are to be told where it is us. */
export function takeNodes({ address, known, untold }: Clients, { self, nodes }: Sharing): void {
  if (!nodes.includes(self)) untold.clear()
  /** Most clients were heard by the same nodes. */
  const staying = new Map<readonly string[], readonly string[]>()
  for (const [client, before] of known) {
    const hearers = staying.get(before.hearers) ?? before.hearers.filter(node => nodes.includes(node))
    staying.set(before.hearers, hearers)
    const isAnswered = nodes.includes(before.answerer)
    const answerer = isAnswered ? before.answerer : answererFor(client, address, hearers.length > 0 ? hearers : nodes)
    if (answerer === undefined) continue
    known.set(client, { answerer, hearers })
    if (!isAnswered && answerer === self) untold.set(client, timesTold)
  }
}

/** A client has been told once more. */
export function markTold({ untold }: Clients, client: string): void {
  const left = (untold.get(client) ?? 0) - 1
  if (left > 0) untold.set(client, left)
  else untold.delete(client)
}
