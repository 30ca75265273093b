/** What tcpdump sees on a host's interface, taken apart without any code of the speaker's: an independent witness. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { LabHost } from './node.ts'

/** A frame that resolves addresses. */
export interface Sighting {
  /** Milliseconds since the epoch, with fractions. */
  readonly atMs: number
  readonly kind: 'arp-request' | 'arp-reply' | 'neighbor-solicitation' | 'neighbor-advertisement'
  /** The Ethernet header's. */
  readonly sourceMac: string
  readonly destinationMac: string
  /** ARP: the sender's protocol address. NDP: the target address, as 8 groups of 4 digits. */
  readonly address: string
  /** ARP: the target's protocol address. NDP: where the packet goes, written like `address`. */
  readonly target: string
  /** ARP: the same address as target. NDP: an advertisement to all nodes, unsolicited. */
  readonly gratuitous: boolean
  /** The frame carries an 802.1Q tag. */
  readonly tagged: boolean
}

export interface Capture extends AsyncDisposable {
  /** All so far; grows. */
  readonly sightings: readonly Sighting[]
  /** Resolves with the first sighting, old or new, that `wanted` accepts; fails when there is none in time. */
  first(wanted: (sighting: Sighting) => boolean, timeoutMs?: number): Promise<Sighting>
  readonly stop: () => Promise<readonly Sighting[]>
}

/** Records ARP and Neighbor Discovery as `host` sees them; resolves when tcpdump listens. */
export async function startCapture(host: LabHost): Promise<Capture> {
  const argv = [
    'tcpdump',
    '--immediate-mode',
    '-U',
    '-p',
    '-n',
    '-w',
    '-',
    '-i',
    host.interface,
    'arp or icmp6 or vlan',
  ]
  const child = host.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('tcpdump has no output')
  const sightings: Sighting[] = []
  const waiting = new Set<() => void>()
  let pending = Buffer.alloc(0)
  // The file's header is skipped like a packet that nobody wants.
  let skip = fileHeaderLength
  stdout.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (let length = nextLength(pending, skip); length <= pending.length; length = nextLength(pending, skip)) {
      const sighting = skip > 0 ? undefined : describe(pending.subarray(0, length))
      if (sighting !== undefined) sightings.push(sighting)
      pending = pending.subarray(length)
      skip = 0
    }
    for (const look of waiting) look()
  })
  const said: string[] = []
  for await (const line of createInterface({ input: stderr })) {
    said.push(line)
    if (line.includes('listening on')) break
  }
  if (!said.at(-1)?.includes('listening on')) throw new Error(`tcpdump ended: ${said.join('; ')}`)
  // Breaking off has closed it; what tcpdump says at its end must not hold it up.
  stderr.resume()
  const closed = once(child, 'close')
  const stop = async (): Promise<readonly Sighting[]> => {
    child.kill('SIGTERM')
    await closed
    return sightings
  }
  return {
    sightings,
    async first(wanted, timeoutMs = 10_000) {
      const { promise, resolve, reject } = Promise.withResolvers<Sighting>()
      const look = (): void => {
        const found = sightings.find(wanted)
        if (found !== undefined) resolve(found)
      }
      const late = setTimeout(() => {
        reject(new Error(`no such frame within ${timeoutMs} ms; all: ${JSON.stringify(sightings)}`))
      }, timeoutMs)
      waiting.add(look)
      look()
      try {
        return await promise
      } finally {
        clearTimeout(late)
        waiting.delete(look)
      }
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}

// A pcap file: a header, then for each packet seconds, microseconds, captured length, length (all of the machine's byte order).
const fileHeaderLength = 24
const recordHeaderLength = 16

function nextLength(pending: Buffer, skip: number): number {
  if (skip > 0) return skip
  return pending.length < recordHeaderLength ? Number.POSITIVE_INFINITY : recordHeaderLength + pending.readUInt32LE(8)
}

function describe(record: Buffer): Sighting | undefined {
  const atMs = record.readUInt32LE(0) * 1000 + record.readUInt32LE(4) / 1000
  const frame = record.subarray(recordHeaderLength)
  const tagged = frame.readUInt16BE(12) === 0x8100
  const at = tagged ? 18 : 14
  const etherType = frame.readUInt16BE(at - 2)
  const common = { atMs, tagged, destinationMac: macAt(frame, 0), sourceMac: macAt(frame, 6) }
  if (etherType === 0x0806) {
    const sender = ipv4At(frame, at + 14)
    const kind = frame.readUInt16BE(at + 6) === 1 ? 'arp-request' : 'arp-reply'
    const target = ipv4At(frame, at + 24)
    return { ...common, kind, address: sender, target, gratuitous: sender === target }
  }
  if (etherType !== 0x86dd || frame[at + 6] !== 58) return undefined
  const type = frame[at + 40]
  if (type !== 135 && type !== 136) return undefined
  const target = ipv6At(frame, at + 24)
  const toAllNodes = target === 'ff02:0000:0000:0000:0000:0000:0000:0001'
  const kind = type === 135 ? 'neighbor-solicitation' : 'neighbor-advertisement'
  return { ...common, kind, address: ipv6At(frame, at + 48), target, gratuitous: type === 136 && toAllNodes }
}

function macAt(frame: Buffer, offset: number): string {
  return [...frame.subarray(offset, offset + 6)].map(octet => octet.toString(16).padStart(2, '0')).join(':')
}

function ipv4At(frame: Buffer, offset: number): string {
  return [...frame.subarray(offset, offset + 4)].join('.')
}

function ipv6At(frame: Buffer, offset: number): string {
  return frame
    .subarray(offset, offset + 16)
    .toString('hex')
    .replaceAll(/(.{4})(?=.)/g, '$1:')
}
