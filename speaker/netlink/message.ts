/**
 * rtnetlink, as far as it tells of network interfaces: how the kernel describes a link or an address on one, at once when
 * either changes or all of them when asked (a dump).
 *
 * The fields are in the processor's byte order, which is little-endian wherever Berth runs, so net/cursor.ts, which reads
 * the network's, is of no use here. Only what is asked of it is decoded; other messages and attributes are skipped, for
 * every kernel adds some. The bytes come from the kernel, yet a length is believed only after it was compared with what
 * is there.
 */
import { type Address, addressFromBytes } from '../../net/address.ts'
import { type Decoded, decoding, Malformed } from '../../net/cursor.ts'

export type NetlinkMessage =
  | { readonly kind: 'link'; readonly link: Link }
  | { readonly kind: 'linkGone'; readonly index: number }
  | { readonly kind: 'address'; readonly address: LinkAddress }
  | { readonly kind: 'addressGone'; readonly address: LinkAddress }
  /** A dump has ended; one that was interrupted by a change may have missed something. */
  | { readonly kind: 'done'; readonly interrupted: boolean }
  /** A request failed: a positive errno. */
  | { readonly kind: 'error'; readonly errno: number }

export interface Link {
  readonly index: number
  readonly name: string
  /** ARPHRD_…: 1 is Ethernet. */
  readonly hardwareType: number
  /** IFF_… */
  readonly flags: number
  readonly mac: Uint8Array
  readonly mtu: number
  /** The bridge, bond or VRF that the link is a port of. */
  readonly master: number | undefined
}

export interface LinkAddress {
  readonly linkIndex: number
  readonly address: Address
  readonly prefixLength: number
}

const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const NLM_F_REQUEST = 0x1
const NLM_F_DUMP_INTR = 0x10
const NLM_F_DUMP = 0x300
const AF_UNSPEC = 0
const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_MASTER = 10
const IFLA_EXT_MASK = 29
const RTEXT_FILTER_SKIP_STATS = 8
const IFA_ADDRESS = 1
const IFA_LOCAL = 2

/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR. */
export const linkAndAddressGroups = 0x1 | 0x10 | 0x100

const headSize = 16
const linkHeadSize = 16
const addressHeadSize = 8

/** The request for all links, without their packet counters. */
export function encodeLinkDumpRequest(sequence: number): Uint8Array {
  const view = request(RTM_GETLINK, linkHeadSize + 8, sequence)
  view.setUint16(headSize + linkHeadSize, 8, true)
  view.setUint16(headSize + linkHeadSize + 2, IFLA_EXT_MASK, true)
  view.setUint32(headSize + linkHeadSize + 4, RTEXT_FILTER_SKIP_STATS, true)
  return new Uint8Array(view.buffer)
}

/** The request for all addresses of both families. */
export function encodeAddressDumpRequest(sequence: number): Uint8Array {
  return new Uint8Array(request(RTM_GETADDR, addressHeadSize, sequence).buffer)
}

/** Length (4) · type (2) · flags (2) · sequence (4) · port 0, the kernel's (4), then a payload of zeros. */
function request(type: number, payloadSize: number, sequence: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(headSize + payloadSize))
  view.setUint32(0, view.byteLength, true)
  view.setUint16(4, type, true)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true)
  view.setUint32(8, sequence, true)
  return view
}

/** The messages of one datagram, without those that say nothing about links and addresses. */
export function decodeNetlink(bytes: Uint8Array): Decoded<readonly NetlinkMessage[]> {
  return decoding(() => {
    const messages: NetlinkMessage[] = []
    for (let rest = bytes; rest.length > 0; ) {
      if (rest.length < headSize) throw new Malformed(`${rest.length} octets where a message should begin`)
      const length = viewOf(rest).getUint32(0, true)
      if (length < headSize || length > rest.length) throw new Malformed(`a message of ${length} octets`)
      const message = decodeMessage(rest.subarray(0, length))
      if (message) messages.push(message)
      rest = rest.subarray(Math.min(align(length), rest.length))
    }
    return messages
  })
}

function decodeMessage(message: Uint8Array): NetlinkMessage | undefined {
  const head = viewOf(message)
  const type = head.getUint16(4, true)
  const body = message.subarray(headSize)
  switch (type) {
    case RTM_NEWLINK: {
      const link = decodeLink(body)
      return link && { kind: 'link', link }
    }
    case RTM_DELLINK: {
      const link = decodeLink(body)
      return link && { kind: 'linkGone', index: link.index }
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = decodeAddress(body)
      return address && { kind: type === RTM_NEWADDR ? 'address' : 'addressGone', address }
    }
    case NLMSG_DONE:
      return { kind: 'done', interrupted: (head.getUint16(6, true) & NLM_F_DUMP_INTR) !== 0 }
    case NLMSG_ERROR: {
      const errno = -viewOf(sized(body, 4)).getInt32(0, true)
      return errno === 0 ? undefined : { kind: 'error', errno }
    }
    default:
      return undefined
  }
}

/** struct ifinfomsg: family (1) · padding (1) · hardware type (2) · index (4) · flags (4) · change mask (4) · attributes. */
function decodeLink(body: Uint8Array): Link | undefined {
  const head = viewOf(sized(body, linkHeadSize))
  // A bridge speaks of its ports in the same messages with a family of its own; a port that leaves is "deleted" there.
  if (head.getUint8(0) !== AF_UNSPEC) return undefined
  const found = attributes(body.subarray(linkHeadSize))
  const master = found.get(IFLA_MASTER)
  const mtu = found.get(IFLA_MTU)
  return {
    index: head.getInt32(4, true),
    name: textOf(found.get(IFLA_IFNAME)),
    hardwareType: head.getUint16(2, true),
    flags: head.getUint32(8, true),
    mac: Uint8Array.from(found.get(IFLA_ADDRESS) ?? []),
    mtu: mtu ? viewOf(sized(mtu, 4)).getUint32(0, true) : 0,
    master: master ? viewOf(sized(master, 4)).getUint32(0, true) : undefined,
  }
}

/** struct ifaddrmsg: family (1) · prefix length (1) · flags (1) · scope (1) · link index (4) · attributes. */
function decodeAddress(body: Uint8Array): LinkAddress | undefined {
  const head = viewOf(sized(body, addressHeadSize))
  const found = attributes(body.subarray(addressHeadSize))
  // On a point-to-point link IFA_ADDRESS is the other end; everywhere else both are the same, or IFA_LOCAL is missing.
  const bytes = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS)
  if (!bytes || (bytes.length !== 4 && bytes.length !== 16)) return undefined
  return {
    linkIndex: head.getInt32(4, true),
    address: addressFromBytes(bytes),
    prefixLength: head.getUint8(1),
  }
}

/** Length (2) · type (2) · value, each attribute padded to 4 octets. The values are views. */
function attributes(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  for (let rest = bytes; rest.length >= 4; ) {
    const length = viewOf(rest).getUint16(0, true)
    if (length < 4 || length > rest.length) throw new Malformed(`an attribute of ${length} octets`)
    // The two highest bits say how the value is made, not what it is.
    found.set(viewOf(rest).getUint16(2, true) & 0x3fff, rest.subarray(4, length))
    rest = rest.subarray(Math.min(align(length), rest.length))
  }
  return found
}

function align(length: number): number {
  return (length + 3) & ~3
}

function sized(bytes: Uint8Array, least: number): Uint8Array {
  if (bytes.length < least) throw new Malformed(`${bytes.length} octets where ${least} should be`)
  return bytes
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function textOf(bytes: Uint8Array | undefined): string {
  if (!bytes) return ''
  const end = bytes.indexOf(0)
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end))
}
