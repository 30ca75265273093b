import { type Decoded, Reader, Writer } from '../../net/cursor.ts'
import type { AfiSafi } from './family.ts'
import { type Frame, headerLength, type MessageKind, maximumMessageLength, messageTypes } from './framer.ts'
import { decodeNotification, encodeNotification, type Notification, refused } from './notification.ts'
import { noOctets } from './octets.ts'
import { decodeOpen, encodeOpen, type Open } from './open.ts'
import { type AttributeProblem, decodeUpdate, encodeUpdate, type Update, type UpdateContext } from './update.ts'

/** What two speakers say to each other. */
export type Message =
  | { readonly kind: 'open'; readonly open: Open }
  | { readonly kind: 'update'; readonly update: Update }
  | { readonly kind: 'notification'; readonly notification: Notification }
  | { readonly kind: 'keepalive' }
  | ({ readonly kind: 'routeRefresh' } & RouteRefresh)

/** Asks for all routes of a family again (RFC 2918), or marks where such routes begin and end (RFC 7313). */
export interface RouteRefresh extends AfiSafi {
  readonly subtype: number
}

/** The three uses of a ROUTE-REFRESH message; other subtypes are ignored (RFC 7313 §5). */
export const routeRefreshSubtypes = { request: 0, beginning: 1, end: 2 } as const

/** A message from a peer; an UPDATE with what was wrong with it and did not end the session. */
export type ReceivedMessage =
  | Exclude<Message, { readonly kind: 'update' }>
  | { readonly kind: 'update'; readonly update: Update; readonly problems: readonly AttributeProblem[] }

/**
 *     marker (16 octets of ones) | length (2) | type (1) | body
 *
 * A message too long for its length field is a programmer's error: whoever packs routes minds the size.
 */
export function encodeMessage(message: Message, context: { readonly fourOctetAs: boolean }): Uint8Array {
  const body = encodeBody(message, context)
  const length = headerLength + body.length
  if (length > maximumMessageLength) throw new RangeError(`a message of ${length} octets`)
  const marker = new Uint8Array(16).fill(0xff)
  return new Writer(length).bytes(marker).uint16(length).uint8(messageTypes[message.kind]).bytes(body).finish()
}

function encodeBody(message: Message, context: { readonly fourOctetAs: boolean }): Uint8Array {
  switch (message.kind) {
    case 'open':
      return encodeOpen(message.open)
    case 'update':
      return encodeUpdate(message.update, context)
    case 'notification':
      return encodeNotification(message.notification)
    case 'keepalive':
      return noOctets
    case 'routeRefresh':
      // afi (2) | subtype (1), once reserved | safi (1)
      return new Writer(4).uint16(message.afi).uint8(message.subtype).uint8(message.safi).finish()
  }
}

/**
 * Reads what a frame holds. `context` is the session's; before there is one an UPDATE has no place, and is answered by
 * the FSM without being read.
 */
export function decodeMessage(
  frame: Frame,
  context: UpdateContext | undefined,
): Decoded<ReceivedMessage, Notification> {
  switch (frame.kind) {
    case 'open': {
      const open = decodeOpen(frame.body)
      return open.ok ? { ok: true, value: { kind: 'open', open: open.value } } : open
    }
    case 'update': {
      if (!context) return { ok: true, value: unread }
      const received = decodeUpdate(frame.body, context)
      return received.ok ? { ok: true, value: { kind: 'update', ...received.value } } : received
    }
    case 'notification': {
      const received = decodeNotification(frame.body)
      return received.ok ? { ok: true, value: { kind: 'notification', notification: received.value } } : received
    }
    case 'keepalive':
      return { ok: true, value: { kind: 'keepalive' } }
    case 'routeRefresh':
      return decodeRouteRefresh(frame.body)
  }
}

const unread: ReceivedMessage = {
  kind: 'update',
  update: { withdrawn: [], attributes: {}, nlri: [] },
  problems: [],
}

function decodeRouteRefresh(body: Uint8Array): Decoded<ReceivedMessage, Notification> {
  const reader = new Reader(body)
  const afi = reader.uint16()
  const subtype = reader.uint8()
  const safi = reader.uint8()
  // What may follow (RFC 5291's outbound filters) Berth never agreed to; with a marker nothing may (RFC 7313 §5).
  if (reader.remaining > 0 && subtype !== routeRefreshSubtypes.request)
    return refused('invalidRouteRefreshLength', body.slice())
  return { ok: true, value: { kind: 'routeRefresh', afi, safi, subtype } }
}

/** The octet that names a kind of message, which a Finite State Machine Error carries (RFC 6608 §3). */
export function typeOctet(kind: MessageKind): number {
  return messageTypes[kind]
}
