import { type Address, formatAddress } from '../../net/address.ts'
import { formatMac, type MacAddress, parseMac } from '../../net/mac.ts'
import { markTold, noClients, type Sharing, takeNodes, takeQuestion } from '../layer2/load-sharing.ts'

/** An address that this node shares with others, on one interface. */
export interface SharedAddress {
  /**
   * Whether to answer a client that asks, everybody or (`direct`) only us. It is remembered. The others that share the address
   * are no clients: they ask whether anybody else has it (guard.ts), and are not answered.
   */
  isOurs(client: MacAddress, direct: boolean): boolean
  setNodes(sharing: Sharing): void
  /**
   * Whether to tell everybody: no other node shares it now. Clients that never asked while this one listened learn of it so.
   */
  isAlone(): boolean
  /** Sends to each client that is to know that it is ours now; false = not all of them, try it again. */
  tell(send: (client: MacAddress) => boolean): boolean
}

/** How many are told in one go: requests have their turn in between. */
const clientsAtOnce = 128

function createSharedAddress(
  address: string,
  first: Sharing,
  nodeOf: (mac: MacAddress) => string | undefined,
): SharedAddress {
  const clients = noClients(address)
  let sharing = first
  /** Those that are still to be told this time. */
  let turn: string[] | undefined
  return {
    isOurs(client, direct) {
      const node = nodeOf(client)
      if (node !== undefined && sharing.nodes.includes(node)) return false
      return takeQuestion(clients, formatMac(client), sharing, direct)
    },
    setNodes(now) {
      sharing = now
      turn = undefined
      takeNodes(clients, now)
    },
    isAlone: () => sharing.nodes.length === 1 && sharing.nodes[0] === sharing.self,
    tell(send) {
      turn ??= [...clients.untold.keys()]
      for (let told = 0; told < clientsAtOnce; told++) {
        const client = turn.at(-1)
        const mac = client === undefined ? undefined : parseMac(client)
        if (client === undefined || !mac) {
          turn = undefined
          return true
        }
        if (clients.untold.has(client)) {
          if (!send(mac)) return false
          markTold(clients, client)
        }
        turn.pop()
      }
      return false
    },
  }
}

/** The address as it is shared from now on, with the clients that were known before; undefined where it is not shared. */
export function sharedAnew(
  address: Address,
  before: SharedAddress | undefined,
  sharing: Sharing | undefined,
  nodeOf: (mac: MacAddress) => string | undefined,
): SharedAddress | undefined {
  if (!sharing || !before) return sharing && createSharedAddress(formatAddress(address), sharing, nodeOf)
  before.setNodes(sharing)
  return before
}
