import { createSocket, type Socket } from 'node:dgram'

/** The UDP socket by which speakers tell each other whom they miss. */
export interface VerdictSocket {
  send(datagram: Uint8Array, address: string): void
  close(): void
}

const tryAgainMs = 5_000
/** Far more than the verdicts of a hundred speakers at once. */
const receiveBufferOctets = 1 << 20

/** Opens it for both families; where that fails it is tried again, and told. */
export function openVerdictSocket(options: {
  readonly port: number
  readonly onDatagram: (datagram: Uint8Array) => void
  readonly onProblem: (text: string) => void
}): VerdictSocket {
  const { port, onProblem } = options
  let socket: Socket | undefined
  let retry: NodeJS.Timeout | undefined
  let closed = false

  const open = (): void => {
    const fresh = createSocket({ type: 'udp6', ipv6Only: false })
    fresh.on('message', options.onDatagram)
    fresh.once('error', error => {
      onProblem(`other speakers cannot be talked to on UDP port ${port}: ${error.message}; trying again`)
      fresh.close()
      socket = undefined
      if (!closed) retry = setTimeout(open, tryAgainMs)
    })
    fresh.bind(port, () => {
      fresh.setRecvBufferSize(receiveBufferOctets)
      socket = fresh
    })
  }
  open()

  return {
    send(datagram, address) {
      // A node that is down cannot be reached, and that is no news here.
      socket?.send(datagram, port, address.includes(':') ? address : `::ffff:${address}`, () => {})
    },
    close() {
      closed = true
      clearTimeout(retry)
      socket?.close()
    },
  }
}
