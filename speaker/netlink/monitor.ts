import { getSystemErrorName } from 'node:util'
import { AF_NETLINK, netlinkAddress, SOCK_RAW } from '../rawsock/linux.ts'
import { openRawSocket } from '../rawsock/rawsock.ts'
import { applyMessages, emptyLinkTable, type LinkTable } from './interfaces.ts'
import {
  decodeNetlink,
  encodeAddressDumpRequest,
  encodeLinkDumpRequest,
  linkAndAddressGroups,
  type NetlinkMessage,
} from './message.ts'

const NETLINK_ROUTE = 0

/** Where a dump stands: asked for links, asked for addresses behind them, or nothing under way. */
type Dump = { readonly stage: 'links' | 'addresses'; readonly collected: LinkTable } | undefined

/**
 * Follows the kernel's links and addresses: a dump of all at the start, then every change as it happens. When the kernel
 * had to drop messages, or a dump was interrupted by a change, everything is dumped anew. No polling.
 *
 * A dump is collected aside and replaces the table as a whole, so what has gone meanwhile goes. What changes during it
 * arrives on the same socket in the order of its happening and is applied to what is being collected.
 */
export function openInterfaceMonitor(options: {
  readonly onChange: (table: LinkTable) => void
  readonly onProblem: (text: string) => void
}): { close(): void } {
  const kernel = netlinkAddress(0)
  const socket = openRawSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
  let table = emptyLinkTable
  let dump: Dump
  let dumpAgain = false
  let sequence = 0

  const startDump = (): void => {
    // Only one dump at a time can run on a socket; what is wrong with this one is put right by the next.
    if (dump) {
      dumpAgain = true
      return
    }
    dump = { stage: 'links', collected: emptyLinkTable }
    socket.send(encodeLinkDumpRequest(++sequence), kernel)
  }

  const advance = (interrupted: boolean): void => {
    if (!dump) return
    dumpAgain ||= interrupted
    if (dump.stage === 'links') {
      dump = { stage: 'addresses', collected: dump.collected }
      socket.send(encodeAddressDumpRequest(++sequence), kernel)
      return
    }
    const again = dumpAgain
    if (!again) table = dump.collected
    dump = undefined
    dumpAgain = false
    if (again) startDump()
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

  socket.bind(netlinkAddress(linkAndAddressGroups))
  socket.receive({
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
      startDump()
    },
  })
  startDump()
  return { close: () => socket.close() }
}
