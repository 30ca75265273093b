import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import type { MacAddress } from '../../net/mac.ts'

/** An option of a Neighbor Discovery message (RFC 4861 §4.6). Those that Berth has no use for are kept as they are. */
export type NdpOption =
  | { readonly kind: 'sourceLinkLayerAddress'; readonly mac: MacAddress }
  | { readonly kind: 'targetLinkLayerAddress'; readonly mac: MacAddress }
  | { readonly kind: 'other'; readonly type: number; readonly value: Uint8Array }

const sourceLinkLayerAddressType = 1
const targetLinkLayerAddressType = 2

/** Lengths on the wire count units of 8 octets, type and length included. */
const unit = 8

/** Type (1) · length (1) · value, for each option. */
export function encodeOptions(options: readonly NdpOption[]): Uint8Array {
  const sizes = options.map(option => (option.kind === 'other' ? option.value.length + 2 : unit))
  const writer = new Writer(sizes.reduce((sum, size) => sum + size, 0))
  for (const [index, option] of options.entries()) {
    writer.uint8(typeOf(option)).uint8((sizes[index] ?? 0) / unit)
    writer.bytes(option.kind === 'other' ? option.value : option.mac)
  }
  return writer.finish()
}

function typeOf(option: NdpOption): number {
  switch (option.kind) {
    case 'sourceLinkLayerAddress':
      return sourceLinkLayerAddressType
    case 'targetLinkLayerAddress':
      return targetLinkLayerAddressType
    case 'other':
      return option.type
  }
}

/** All options up to the reader's end; their values are views of its bytes. Throws Malformed. */
export function decodeOptions(reader: Reader): readonly NdpOption[] {
  const options: NdpOption[] = []
  while (reader.remaining > 0) {
    const type = reader.uint8()
    const length = reader.uint8() * unit
    // Taken at its word, it would be read for ever.
    if (length === 0) throw new Malformed('an option of length zero')
    const value = new Reader(reader.bytes(length - 2))
    if (type === sourceLinkLayerAddressType) options.push({ kind: 'sourceLinkLayerAddress', mac: readMac(value) })
    else if (type === targetLinkLayerAddressType) options.push({ kind: 'targetLinkLayerAddress', mac: readMac(value) })
    else options.push({ kind: 'other', type, value: value.rest() })
  }
  return options
}

function readMac(value: Reader): MacAddress {
  const mac = value.bytes(6)
  if (value.remaining > 0) throw new Malformed('a link-layer address that is not of Ethernet')
  return mac
}
