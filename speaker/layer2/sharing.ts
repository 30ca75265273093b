import { score } from './election.ts'

/*
 * `loadSharing: perClient`: several nodes answer for one address, each client always by the same node, so that an address is
 * not bound to one node's bandwidth. Who answers whom follows from the client and the nodes alone (rendezvous hashing), so
 * nobody has to be asked and nothing is written down:
 *
 * - every node comes to the same result, so each client has one answerer;
 * - when a node dies, its clients go to the others and nobody else's move;
 * - when one joins, it gets 1/N of the clients, from all the others.
 *
 * A client is known by its hardware address: what asks through a router is one client, the router. The answerer of a client
 * that already has an answer may change when a node joins. The former goes on answering it for as long as it asks that
 * one directly (its cache is confirmed by unicast), so nothing breaks; it moves when it next asks everybody.
 *
 * With few clients the shares are as even as dice are: of 16 clients on 3 nodes one node may well have 8 and another 3.
 */

/** Who of the nodes answers the client for the address; undefined where there are none. */
export function answererFor(client: string, address: string, nodes: readonly string[]): string | undefined {
  const key = `${address} ${client}`
  let best: string | undefined
  let bestScore = -1
  for (const node of nodes) {
    const nodeScore = score(key, node)
    // Equal scores are settled by the name, so that the order of the list is irrelevant.
    if (nodeScore > bestScore || (nodeScore === bestScore && best !== undefined && node < best)) {
      best = node
      bestScore = nodeScore
    }
  }
  return best
}

/** Whether this node answers a request of the client. `direct` = it was sent to this node's hardware address alone. */
export function answersClient(options: {
  readonly self: string
  readonly client: string
  readonly address: string
  readonly nodes: readonly string[]
  readonly direct: boolean
}): boolean {
  const { self, client, address, nodes, direct } = options
  if (!nodes.includes(self)) return false
  return direct || answererFor(client, address, nodes) === self
}

/** A station that has asked for an address. */
export interface Client {
  /** Its hardware address in text. */
  readonly mac: string
  /** Its own address, to which it is told of a new answerer. */
  readonly address: string
}

/** The clients that this node has to tell, by packets to each of them, that it answers them now: those whose answerer has gone. */
export function clientsToTell<Known extends Client>(options: {
  readonly self: string
  readonly address: string
  readonly clients: Iterable<Known>
  readonly before: readonly string[]
  readonly now: readonly string[]
}): readonly Known[] {
  const { self, address, clients, before, now } = options
  return [...clients].filter(({ mac }) => {
    const former = answererFor(mac, address, before)
    return former !== undefined && !now.includes(former) && answererFor(mac, address, now) === self
  })
}

/** Clients of one address, the latest last; so many are remembered, and so long. */
export interface ClientTable {
  /** By hardware address. */
  readonly clients: ReadonlyMap<string, Client & { readonly seenAtMs: number }>
  readonly most: number
  readonly lifeMs: number
}

export function noClients(most: number, lifeMs: number): ClientTable {
  return { clients: new Map(), most, lifeMs }
}

/** Remembers that a client has asked: every node hears every broadcast request, and so knows the others' clients too. */
export function remember(table: ClientTable, client: Client, nowMs: number): ClientTable {
  const clients = new Map(table.clients)
  clients.delete(client.mac)
  clients.set(client.mac, { ...client, seenAtMs: nowMs })
  for (const [mac, { seenAtMs }] of clients) {
    // The oldest come first.
    if (clients.size <= table.most && nowMs - seenAtMs < table.lifeMs) break
    clients.delete(mac)
  }
  return { ...table, clients }
}
