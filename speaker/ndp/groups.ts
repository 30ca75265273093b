import { type Address, addressToBytes, formatAddress } from '../../net/address.ts'
import {
  AF_INET6,
  blockAllIcmp6,
  ICMP6_FILTER,
  IPPROTO_ICMPV6,
  IPPROTO_IPV6,
  IPV6_JOIN_GROUP,
  IPV6_LEAVE_GROUP,
  ipv6Membership,
  SOCK_RAW,
} from '../rawsock/linux.ts'
import { openRawSocket, type RawSocket } from '../rawsock/rawsock.ts'
import { solicitedNodeGroup } from './message.ts'

/** The solicited-node groups of one interface's announced addresses. Joining tells the network card and, by MLD, the switches. */
export interface GroupMemberships {
  join(address: Address): void
  leave(address: Address): void
  close(): void
}

/** A socket of its own holds so many groups; the kernel's net.core.optmem_max allows 20 to 2,340, as it is set. */
interface Holder {
  readonly socket: RawSocket
  full: boolean
}

interface Membership {
  readonly holder: Holder
  /** Addresses with the same last 24 bits share a group. */
  addresses: number
}

/** `onProblem` hears of the first group that cannot be joined; unicast solicitations arrive without it. */
export function createGroupMemberships(
  interfaceIndex: number,
  onProblem: (group: string, error: unknown) => void,
): GroupMemberships {
  const memberships = new Map<bigint, Membership>()
  const holders: Holder[] = []
  let problemTold = false

  const joinWithRoom = (group: Address): Holder => {
    const request = ipv6Membership(addressToBytes(group), interfaceIndex)
    for (;;) {
      let holder = holders.find(({ full }) => !full)
      const fresh = holder === undefined
      if (!holder) {
        holder = { socket: openGroupSocket(), full: false }
        holders.push(holder)
      }
      try {
        holder.socket.setOption(IPPROTO_IPV6, IPV6_JOIN_GROUP, request)
        return holder
      } catch (error) {
        if (fresh || !isFull(error)) throw error
        holder.full = true
      }
    }
  }

  return {
    join(address) {
      const group = solicitedNodeGroup(address)
      const held = memberships.get(group.value)
      if (held) {
        held.addresses++
        return
      }
      try {
        memberships.set(group.value, { holder: joinWithRoom(group), addresses: 1 })
      } catch (error) {
        // What keeps one from being joined, such as IPv6 being switched off, keeps all the others.
        if (!problemTold) onProblem(formatAddress(group), error)
        problemTold = true
      }
    },
    leave(address) {
      const group = solicitedNodeGroup(address)
      const held = memberships.get(group.value)
      if (!held || --held.addresses > 0) return
      memberships.delete(group.value)
      held.holder.full = false
      try {
        held.holder.socket.setOption(
          IPPROTO_IPV6,
          IPV6_LEAVE_GROUP,
          ipv6Membership(addressToBytes(group), interfaceIndex),
        )
      } catch {
        // The interface has gone, and its memberships with it.
      }
    },
    close() {
      for (const { socket } of holders) socket.close()
      holders.length = 0
      memberships.clear()
    },
  }
}

function openGroupSocket(): RawSocket {
  const socket = openRawSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
  socket.setOption(IPPROTO_ICMPV6, ICMP6_FILTER, blockAllIcmp6)
  return socket
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOMEM' || error.code === 'ENOBUFS')
}
