/** Prints what the kernel tells of links and addresses, a datagram a line in hexadecimal, until its input ends. */
import { encodeAddressDumpRequest, encodeLinkDumpRequest, linkAndAddressGroups } from '../../speaker/netlink/message.ts'
import { AF_NETLINK, netlinkAddress, SOCK_RAW } from '../../speaker/rawsock/linux.ts'
import { openRawSocket } from '../../speaker/rawsock/rawsock.ts'

const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
socket.bind(netlinkAddress(linkAndAddressGroups))
socket.receive({
  dataSize: 32_768,
  slots: 2,
  onDatagram: ({ data }) => void process.stdout.write(`${Buffer.from(data).toString('hex')}\n`),
  onError(code) {
    throw new Error(code)
  },
})
socket.send(encodeLinkDumpRequest(1), netlinkAddress(0))
setTimeout(() => socket.send(encodeAddressDumpRequest(2), netlinkAddress(0)), 300)
process.stdin.resume().once('end', () => socket.close())
