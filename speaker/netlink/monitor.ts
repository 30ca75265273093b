import { getSystemErrorName } from 'node:util'
import { AF_NETLINK, netlinkAddress, SOCK_RAW } from '../rawsock/linux.ts'
import { openRawSocket, type RawSocket } from '../rawsock/rawsock.ts'
import { applyMessages, emptyLinkTable, type LinkTable } from './interfaces.ts'
import {
  decodeNetlink,
  encodeAddressDumpRequest,
  encodeLinkDumpRequest,
  linkAndAddressGroups,
  type NetlinkMessage,
} from './message.ts'

const NETLINK_ROUTE = 0

/** A dump under way: what it is asked for now, and what it has brought so far. */
interface Dump {
  readonly stage: 'links' | 'addresses'
  readonly collected: LinkTable
  readonly interrupted: boolean
}

/**
 * Follows the kernel's links and addresses: a dump of all at the start, then every change as it happens. No polling.
 *
 * A dump is collected aside and replaces the table as a whole, so what has gone meanwhile goes. What changes during it
 * arrives on the same socket in the order of its happening and is applied to what is being collected.
 *
 * When the kernel had to drop messages (ENOBUFS), the socket is closed and another one takes its place: what still waits
 * in the old one's queue is older than what was lost, and applied behind a new dump it would bring back what has gone.
 */
export function openInterfaceMonitor(options: {
  readonly onChange: (table: LinkTable) => void
  readonly onProblem: (text: string) => void
}): { close(): void } {
  const kernel = netlinkAddress(0)
  let table = emptyLinkTable
  let dump: Dump | undefined
  let sequence = 0

  const open = (): RawSocket => {
    const opened = openRawSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
    opened.bind(netlinkAddress(linkAndAddressGroups))
    opened.receive({
      dataSize: 32_768,
      slots: 2,
      onDatagram({ data, from, truncated }) {
        // A port number other than zero: some process, not the kernel.
        if (new DataView(from.buffer, from.byteOffset).getUint32(4, true) !== 0) return
        const decoded = truncated ? undefined : decodeNetlink(data)
        if (decoded?.ok) handle(decoded.value)
        else options.onProblem(`a netlink message cannot be read: ${decoded?.problem ?? 'it is too long'}`)
      },
      onError(code) {
        if (code !== 'ENOBUFS') options.onProblem(`netlink: ${code}`)
        socket.close()
        socket = open()
        startDump()
      },
    })
    return opened
  }

  const startDump = (): void => {
    dump = { stage: 'links', collected: emptyLinkTable, interrupted: false }
    socket.send(encodeLinkDumpRequest(++sequence), kernel)
  }

  const handle = (messages: readonly NetlinkMessage[]): void => {
    if (dump) dump = { ...dump, collected: applyMessages(dump.collected, messages) }
    else table = applyMessages(table, messages)
    for (const message of messages) {
      if (message.kind === 'done') advance(message.interrupted)
      if (message.kind === 'error') {
        dump = undefined
        options.onProblem(`the kernel refuses to list its interfaces: ${getSystemErrorName(-message.errno)}`)
      }
    }
    if (!dump) options.onChange(table)
  }

  /** One part of a dump has ended. An interrupted one may have missed something; then all is asked for again. */
  const advance = (interrupted: boolean): void => {
    if (!dump) return
    const missed = dump.interrupted || interrupted
    if (dump.stage === 'links') {
      dump = { stage: 'addresses', collected: dump.collected, interrupted: missed }
      socket.send(encodeAddressDumpRequest(++sequence), kernel)
    } else if (missed) {
      startDump()
    } else {
      table = dump.collected
      dump = undefined
    }
  }

  let socket = open()
  startDump()
  return { close: () => socket.close() }
}
