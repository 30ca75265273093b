import { type Notification, notification } from './notification.ts'
import { joinOctets, noOctets } from './octets.ts'

/** The octets before every message: a marker of ones, the length of the whole message, its type (RFC 4271 §4.1). */
export const headerLength = 19

/** Without extended messages (RFC 8654), which Berth does not offer, no message is longer. */
export const maximumMessageLength = 4096

export const messageTypes = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const

export type MessageKind = keyof typeof messageTypes

/** One message of which only the header has been judged. */
export interface Frame {
  readonly kind: MessageKind
  /** What follows the header: a view of the receive buffer, valid until the next read. */
  readonly body: Uint8Array
}

/** The messages that a chunk completed, what is left over, and the error after which nothing more can be read. */
export interface Framed {
  readonly frames: readonly Frame[]
  /** The beginning of a message whose end has not arrived: never more than one message. */
  readonly rest: Uint8Array
  readonly problem?: Notification
}

/** The lengths a message of each type may have (RFC 4271 §6.1, RFC 2918 §3). */
const lengths: Readonly<Record<MessageKind, readonly [least: number, most: number]>> = {
  open: [29, maximumMessageLength],
  update: [23, maximumMessageLength],
  notification: [21, maximumMessageLength],
  keepalive: [headerLength, headerLength],
  routeRefresh: [23, maximumMessageLength],
}

const kinds = Object.entries(messageTypes) as readonly (readonly [MessageKind, number])[]

/**
 * Cuts a stream into messages, however the network cut it before. A header is judged as soon as its 19 octets are
 * there, so a peer that announces a message and never sends it holds no more than those, and then one message.
 */
export function takeFrames(rest: Uint8Array, chunk: Uint8Array): Framed {
  // Sockets hand out Buffers, whose slice() copies nothing; behind this line a slice is a copy.
  const fresh = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)
  const bytes = rest.length === 0 ? fresh : joinOctets([rest, fresh])
  const frames: Frame[] = []
  let offset = 0
  while (bytes.length - offset >= headerLength) {
    const header = readHeader(bytes.subarray(offset, offset + headerLength))
    if ('code' in header) return { frames, rest: noOctets, problem: header }
    if (bytes.length - offset < header.length) break
    frames.push({ kind: header.kind, body: bytes.subarray(offset + headerLength, offset + header.length) })
    offset += header.length
  }
  // A copy, since the chunk's memory may be the socket's to reuse, and a short rest must not keep a long chunk alive.
  return { frames, rest: bytes.slice(offset) }
}

function readHeader(header: Uint8Array): { readonly kind: MessageKind; readonly length: number } | Notification {
  if (header.subarray(0, 16).some(octet => octet !== 0xff)) return notification('connectionNotSynchronized')
  const [high = 0, low = 0, type = 0] = header.subarray(16)
  const length = high * 256 + low
  const kind = kinds.find(([, number]) => number === type)?.[0]
  if (!kind) return notification('badMessageType', Uint8Array.of(type))
  const [least, most] = lengths[kind]
  if (length < least || length > most) return notification('badMessageLength', Uint8Array.of(high, low))
  return { kind, length }
}
