import { type Decoded, Reader } from '../../net/cursor.ts'
import { joinOctets, noOctets } from './octets.ts'

/**
 * Why a session ends, as it stands in the message that ends it (RFC 4271 §4.5). What a decoder finds wrong with a
 * peer's bytes is one of these, ready to be sent.
 */
export interface Notification {
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

interface ErrorCode {
  readonly name: string
  readonly subcodes: Readonly<Record<number, string>>
}

/** IANA's registry of error codes and subcodes; subcode 0 is "unspecific" everywhere. */
const errorCodes: Readonly<Record<number, ErrorCode>> = {
  1: {
    name: 'Message Header Error',
    subcodes: { 1: 'Connection Not Synchronized', 2: 'Bad Message Length', 3: 'Bad Message Type' },
  },
  2: {
    name: 'OPEN Message Error',
    subcodes: {
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      5: 'Authentication Failure',
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability',
      8: 'Deprecated',
      11: 'Role Mismatch',
    },
  },
  3: {
    name: 'UPDATE Message Error',
    subcodes: {
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      7: 'AS Routing Loop',
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  },
  4: { name: 'Hold Timer Expired', subcodes: {} },
  5: {
    name: 'Finite State Machine Error',
    // RFC 6608
    subcodes: {
      1: 'Unexpected Message in OpenSent',
      2: 'Unexpected Message in OpenConfirm',
      3: 'Unexpected Message in Established',
    },
  },
  6: {
    name: 'Cease',
    // RFC 4486, 8203, 8538, 9384
    subcodes: {
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset',
      10: 'BFD Down',
    },
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } }, // RFC 7313
  8: { name: 'Send Hold Timer Expired', subcodes: {} }, // RFC 9687
}

/** The errors that Berth itself finds or declares, by name. */
const errors = {
  connectionNotSynchronized: [1, 1],
  badMessageLength: [1, 2],
  badMessageType: [1, 3],
  malformedOpen: [2, 0],
  unsupportedVersionNumber: [2, 1],
  badPeerAs: [2, 2],
  badBgpIdentifier: [2, 3],
  unsupportedOptionalParameter: [2, 4],
  unacceptableHoldTime: [2, 6],
  unsupportedCapability: [2, 7],
  malformedAttributeList: [3, 1],
  unrecognizedWellKnownAttribute: [3, 2],
  missingWellKnownAttribute: [3, 3],
  attributeFlagsError: [3, 4],
  attributeLengthError: [3, 5],
  invalidOrigin: [3, 6],
  invalidNextHop: [3, 8],
  optionalAttributeError: [3, 9],
  invalidNetworkField: [3, 10],
  malformedAsPath: [3, 11],
  holdTimerExpired: [4, 0],
  unexpectedInOpenSent: [5, 1],
  unexpectedInOpenConfirm: [5, 2],
  unexpectedInEstablished: [5, 3],
  administrativeShutdown: [6, 2],
  peerDeconfigured: [6, 3],
  administrativeReset: [6, 4],
  connectionRejected: [6, 5],
  otherConfigurationChange: [6, 6],
  connectionCollisionResolution: [6, 7],
  hardReset: [6, 9],
  bfdDown: [6, 10],
  invalidRouteRefreshLength: [7, 1],
  sendHoldTimerExpired: [8, 0],
} as const

export type ErrorName = keyof typeof errors

export function notification(error: ErrorName, data: Uint8Array = noOctets): Notification {
  const [code, subcode] = errors[error]
  return { code, subcode, data }
}

function isError(problem: Notification, error: ErrorName): boolean {
  const [code, subcode] = errors[error]
  return problem.code === code && problem.subcode === subcode
}

/** A Decoded that failed with this error. */
export function refused(
  error: ErrorName,
  data: Uint8Array = noOctets,
): { readonly ok: false; readonly problem: Notification } {
  return { ok: false, problem: notification(error, data) }
}

/**
 * The body after the header:
 *
 *     code (1) | subcode (1) | data (rest of the message)
 */
export function encodeNotification({ code, subcode, data }: Notification): Uint8Array {
  return joinOctets([Uint8Array.of(code, subcode), data])
}

/** The framer has seen to the two octets that there must be; data is copied, since it outlives the receive buffer. */
export function decodeNotification(body: Uint8Array): Decoded<Notification, Notification> {
  const reader = new Reader(body)
  return { ok: true, value: { code: reader.uint8(), subcode: reader.uint8(), data: reader.rest().slice() } }
}

const communicationLimit = 255

/** A Cease with words for the operator on the other side (RFC 9003); text beyond 255 octets of UTF-8 is cut off. */
export function shutdownCommunication(
  error: 'administrativeShutdown' | 'administrativeReset',
  text: string,
): Notification {
  let octets = new TextEncoder().encode(text)
  // Cut between characters: a continuation octet (10xxxxxx) never begins one.
  let end = Math.min(octets.length, communicationLimit)
  while (end < octets.length && end > 0 && ((octets[end] ?? 0) & 0xc0) === 0x80) end--
  octets = octets.subarray(0, end)
  return notification(error, joinOctets([Uint8Array.of(octets.length), octets]))
}

/**
 * The same Cease, wrapped so that a peer with graceful restart for NOTIFICATIONs drops our routes at once
 * (RFC 8538 §3.1): without the wrapping it would keep them, as after a crash.
 */
export function hardReset({ code, subcode, data }: Notification): Notification {
  return notification('hardReset', joinOctets([Uint8Array.of(code, subcode), data]))
}

/** In words for logs and status, a peer's shutdown communication included: `Cease: Administrative Shutdown "bye"`. */
export function formatNotification(problem: Notification): string {
  const { data } = problem
  if (!isError(problem, 'hardReset') || data.length < 2) return formatPlain(problem)
  // Unwrapped once: a message full of Hard Resets in Hard Resets is not to fill a status object.
  const [code = 0, subcode = 0] = data
  return `${formatPlain(problem)} (${formatPlain({ code, subcode, data: data.subarray(2) })})`
}

function formatPlain(problem: Notification): string {
  const { code, subcode } = problem
  const known = errorCodes[code]
  const name = known?.name ?? `Error ${code}`
  const detail = known?.subcodes[subcode] ?? (subcode === 0 ? undefined : `subcode ${subcode}`)
  const words = detail === undefined ? name : `${name}: ${detail}`
  const text = communicationOf(problem)
  return text === undefined ? words : `${words} "${text}"`
}

/**
 * What the peer's operator wrote. Characters that move the cursor, break the line or turn the direction of writing are
 * replaced, since the text ends up in terminals and logs.
 */
function communicationOf(problem: Notification): string | undefined {
  if (!isError(problem, 'administrativeShutdown') && !isError(problem, 'administrativeReset')) return undefined
  const length = problem.data[0] ?? 0
  if (length === 0 || length > problem.data.length - 1) return undefined
  const text = new TextDecoder().decode(problem.data.subarray(1, 1 + length))
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
}
