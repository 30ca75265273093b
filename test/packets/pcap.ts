/** Reads the capture files that tcpdump writes: the old format, either byte order, micro- or nanoseconds. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Capture {
  /** LINKTYPE_…: 1 is Ethernet; 147 is free for anyone's use, here netlink datagrams. */
  readonly linkType: number
  readonly packets: readonly CapturedPacket[]
}

export interface CapturedPacket {
  readonly atMs: number
  /** As captured: a view of the file, hence seldom at offset zero of its buffer. */
  readonly bytes: Uint8Array
}

const headerSize = 24
const packetHeaderSize = 16

export function decodeCapture(file: Uint8Array): Capture {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const magic = view.getUint32(0, true)
  const littleEndian = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d
  const unitsPerMs = view.getUint32(0, littleEndian) === 0xa1b23c4d ? 1e6 : 1e3
  if (!littleEndian && magic !== 0xd4c3b2a1 && magic !== 0x4d3cb2a1) throw new Error('this is no pcap file')
  const packets: CapturedPacket[] = []
  for (let offset = headerSize; offset < file.length; ) {
    const length = view.getUint32(offset + 8, littleEndian)
    const start = offset + packetHeaderSize
    packets.push({
      atMs: view.getUint32(offset, littleEndian) * 1e3 + view.getUint32(offset + 4, littleEndian) / unitsPerMs,
      bytes: file.subarray(start, start + length),
    })
    offset = start + length
  }
  return { linkType: view.getUint32(20, littleEndian), packets }
}

/** A file of that link type with the packets one millisecond apart. */
export function encodeCapture(linkType: number, packets: readonly Uint8Array[]): Uint8Array {
  const size = packets.reduce((sum, packet) => sum + packetHeaderSize + packet.length, headerSize)
  const file = new Uint8Array(size)
  const view = new DataView(file.buffer)
  for (const [index, word] of [0xa1b2c3d4, 0x00040002, 0, 0, 65_536, linkType].entries()) {
    view.setUint32(index * 4, word, true)
  }
  let offset = headerSize
  for (const [index, packet] of packets.entries()) {
    view.setUint32(offset + 4, index * 1e3, true)
    view.setUint32(offset + 8, packet.length, true)
    view.setUint32(offset + 12, packet.length, true)
    file.set(packet, offset + packetHeaderSize)
    offset += packetHeaderSize + packet.length
  }
  return file
}

/** One captured packet and where it came from. */
export interface GoldenPacket {
  /** File and number in it, as in a test's name. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** All packets of the files in this folder whose name begins so. */
export function goldenPackets(prefix: string): readonly GoldenPacket[] {
  const names = readdirSync(import.meta.dirname).filter(name => name.startsWith(prefix) && name.endsWith('.pcap'))
  return names.sort().flatMap(name =>
    decodeCapture(readFileSync(join(import.meta.dirname, name))).packets.map(({ bytes }, index) => ({
      name: `${name} ${index + 1}`,
      bytes,
    })),
  )
}

/** The payloads of the Ethernet frames of that type, with their source and destination. */
export function golden(prefix: string, etherType: number): readonly (GoldenPacket & { readonly frame: Uint8Array })[] {
  return goldenPackets(prefix)
    .filter(({ bytes }) => ((bytes[12] ?? 0) << 8) + (bytes[13] ?? 0) === etherType)
    .map(({ name, bytes }) => ({ name, frame: bytes, bytes: bytes.subarray(14) }))
}
