/** A thread with open sockets, to be ended with them open. */
import { parentPort } from 'node:worker_threads'
import { linkAndAddressGroups } from '../../speaker/netlink/message.ts'
import { AF_NETLINK, netlinkAddress, SOCK_RAW } from '../../speaker/rawsock/linux.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'

for (let index = 0; index < 5; index++) {
  const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
  if (index === 0) continue // one that never receives
  socket.bind(netlinkAddress(linkAndAddressGroups))
  socket.receive({ dataSize: 4_096, slots: 2, onDatagram: () => {}, onError: () => {} })
}
/* oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins */
parentPort?.postMessage('open')
