import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Frame, takeFrames } from '../../speaker/bgp/framer.ts'
import { decodeMessage, encodeMessage, type Message, type ReceivedMessage } from '../../speaker/bgp/message.ts'
import { localOpen, type PeerTerms } from '../../speaker/bgp/negotiate.ts'
import { noOctets } from '../../speaker/bgp/octets.ts'
import { peer } from './berth.ts'

/** What a test's own router says of itself when it means no harm. */
export const politeOpen = openOf({})

function openOf(more: Partial<PeerTerms>): Message {
  const terms = peer({ localAs: 64513, peerAs: 64512, bgpIdentifier: 0xc0000202, ...more })
  return { kind: 'open', open: localOpen(terms, false) }
}

const context = { fourOctetAs: true, internal: false }

/** One connection, from the side of a router that may say anything. */
export interface HostileConnection {
  readonly socket: Socket
  send(message: Message): void
  sendBytes(bytes: Uint8Array): void
  /** The next message from Berth; undefined when it has closed. */
  receive(): Promise<ReceivedMessage | undefined>
  /** The next message of this kind; others are passed over. */
  receiveKind<Kind extends ReceivedMessage['kind']>(kind: Kind): Promise<Extract<ReceivedMessage, { kind: Kind }>>
  /** Says OPEN, with these terms in place of its own, and KEEPALIVE and waits for Berth's. */
  establish(terms?: Partial<PeerTerms>): Promise<void>
  close(): void
}

/** Wraps a connection, whoever dialled. */
export function hostile(socket: Socket): HostileConnection {
  const waiting: ReceivedMessage[] = []
  let rest = noOctets
  let wake: (() => void) | undefined
  const over = { ended: false }
  const stir = () => {
    wake?.()
    wake = undefined
  }
  socket.on('error', () => {})
  socket.on('data', (chunk: Uint8Array) => {
    const framed = takeFrames(rest, chunk)
    ;({ rest } = framed)
    for (const frame of framed.frames) waiting.push(read(frame))
    stir()
  })
  socket.on('end', () => socket.end())
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      over.ended = true
      stir()
    })
  }
  const connection: HostileConnection = {
    socket,
    send: message => void socket.write(encodeMessage(message, context)),
    sendBytes: bytes => void socket.write(bytes),
    async receive() {
      while (waiting.length === 0 && !over.ended) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      return waiting.shift()
    },
    async receiveKind(kind) {
      for (;;) {
        const message = await connection.receive()
        if (!message) throw new Error(`closed before a message of kind ${kind}`)
        if (message.kind === kind) return message as never
      }
    },
    async establish(terms = {}) {
      connection.send(openOf(terms))
      await connection.receiveKind('open')
      connection.send({ kind: 'keepalive' })
      await connection.receiveKind('keepalive')
    },
    close: () => void socket.destroy(),
  }
  return connection
}

function read(frame: Frame): ReceivedMessage {
  const decoded = decodeMessage(frame, context)
  if (!decoded.ok) throw new Error('Berth sent what it would refuse itself')
  return decoded.value
}

/** A port of loopback on which a test's own router waits for Berth. */
export interface HostileListener extends AsyncDisposable {
  readonly port: number
  /** Connections so far. */
  readonly accepted: number
  readonly next: () => Promise<HostileConnection>
}

export async function listenForBerth(host = '127.0.0.1'): Promise<HostileListener> {
  const sockets: Socket[] = []
  const all = new Set<Socket>()
  let wake: (() => void) | undefined
  let accepted = 0
  const server: Server = createServer({ allowHalfOpen: true }, socket => {
    accepted += 1
    socket.on('error', () => {})
    sockets.push(socket)
    all.add(socket)
    wake?.()
    wake = undefined
  })
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get accepted() {
      return accepted
    },
    async next() {
      while (sockets.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      const socket = sockets.shift()
      if (!socket) throw new Error('no connection')
      return hostile(socket)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of all) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Dials Berth, from an address of loopback. */
export async function dialBerth(
  port: number,
  localAddress = '127.0.0.1',
  host = '127.0.0.1',
): Promise<HostileConnection> {
  const socket = connect({ port, host, localAddress, allowHalfOpen: true })
  await once(socket, 'connect')
  return hostile(socket)
}
