import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { IpFamily } from '../../net/address.ts'
import { Reader } from '../../net/cursor.ts'
import { attributeRows, hasExtendedLength, type WireAttributes } from '../../speaker/bgp/attributes.ts'
import { wellKnownCommunities } from '../../speaker/bgp/community.ts'
import { takeFrames } from '../../speaker/bgp/framer.ts'
import { decodeMessage, encodeMessage } from '../../speaker/bgp/message.ts'
import { localOpen } from '../../speaker/bgp/negotiate.ts'
import { decodePrefixes } from '../../speaker/bgp/nlri.ts'
import { noOctets } from '../../speaker/bgp/octets.ts'
import { formatPrefix } from '../../speaker/bgp/route.ts'

/*
 * Routers on loopback for tests of what is said to routers: each takes whoever dials it, and remembers what it is told. They
 * do not mind next hops on loopback, where every session of such a test is.
 */

/** A router that listens. */
export interface LoopbackRouter {
  readonly address: string
  readonly port: number
  readonly as: number
  /** The connections of the node with this BGP Identifier that are open, the oldest first. */
  heardFrom(bgpIdentifier: number): readonly Heard[]
  close(): Promise<void>
}

/** What came over one connection. */
export interface Heard {
  /** Another one for each connection. */
  readonly serial: number
  readonly updates: number
  /** By prefix, what is said of it: attributes by the names that a preview gives them. */
  readonly routes: ReadonlyMap<string, ReadonlyMap<string, string>>
}

const context = { fourOctetAs: true, internal: true }
let serials = 0

export async function startRouter(address: string, as: number, bgpIdentifier: number): Promise<LoopbackRouter> {
  const heard = new Map<number, Set<Heard>>()
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    const leave = take(socket)
    socket
      .on('error', () => {})
      .once('close', () => {
        sockets.delete(socket)
        leave()
      })
  })
  server.listen(0, address)
  await once(server, 'listening')
  const bound = server.address()

  /** Follows one connection; what it returns ends that. */
  function take(socket: Socket): () => void {
    const rib = new Map<string, ReadonlyMap<string, string>>()
    const mine = { serial: ++serials, updates: 0, routes: rib }
    let node: number | undefined
    let rest = noOctets
    const send = (message: Parameters<typeof encodeMessage>[0]) => void socket.write(encodeMessage(message, context))
    const alive = setInterval(() => send({ kind: 'keepalive' }), 5_000)
    socket.setNoDelay(true).on('data', (chunk: Uint8Array) => {
      const framed = takeFrames(rest, chunk)
      ;({ rest } = framed)
      for (const frame of framed.frames) {
        if (frame.kind === 'update') {
          mine.updates += 1
          readUpdate(frame.body, rib)
          continue
        }
        const decoded = decodeMessage(frame, context)
        if (!decoded.ok || decoded.value.kind !== 'open') continue
        node = decoded.value.open.bgpIdentifier
        heard.set(node, (heard.get(node) ?? new Set()).add(mine))
        send({ kind: 'open', open: localOpen({ ...terms, localAs: as, bgpIdentifier }, false) })
        send({ kind: 'keepalive' })
      }
    })
    return () => {
      clearInterval(alive)
      if (node !== undefined) heard.get(node)?.delete(mine)
    }
  }

  return {
    address,
    port: typeof bound === 'object' && bound ? bound.port : 0,
    as,
    heardFrom: identifier => [...(heard.get(identifier) ?? [])],
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const terms = {
  peerAs: 'external',
  holdTimeSeconds: 240,
  keepaliveTimeSeconds: undefined,
  families: ['IPv4', 'IPv6'],
  extendedNextHop: false,
  gracefulRestart: undefined,
} as const

/** Takes an UPDATE in: withdrawn length (2) | withdrawn | attributes length (2) | attributes | NLRI (RFC 4271 §4.3). */
function readUpdate(body: Uint8Array, rib: Map<string, ReadonlyMap<string, string>>): void {
  const reader = new Reader(body)
  const withdrawn = reader.bytes(reader.uint16())
  const attributes = readAttributes(reader.bytes(reader.uint16()))
  const { mpReach, mpUnreach } = attributes
  const said = wordsOf(attributes)
  const gone = [
    ...textsOf(withdrawn, 'IPv4'),
    ...(mpUnreach?.kind === 'unicast' ? mpUnreach.withdrawn : []).map(formatPrefix),
  ]
  const told = [
    ...textsOf(reader.rest(), 'IPv4'),
    ...(mpReach?.kind === 'unicast' ? mpReach.nlri : []).map(formatPrefix),
  ]
  for (const prefix of gone) rib.delete(prefix)
  for (const prefix of told) rib.set(prefix, said)
}

function textsOf(octets: Uint8Array, family: IpFamily): readonly string[] {
  return decodePrefixes(octets, family).map(formatPrefix)
}

function readAttributes(octets: Uint8Array): WireAttributes {
  const rows = Object.entries(attributeRows)
  const reader = new Reader(octets)
  const found: [string, unknown][] = []
  while (reader.remaining > 0) {
    const flags = reader.uint8()
    const type = reader.uint8()
    const value = reader.bytes(hasExtendedLength(flags) ? reader.uint16() : reader.uint8())
    const [name, row] = rows.find(([, one]) => one.type === type) ?? []
    if (name === undefined || !row) throw new Error(`an attribute of type ${type}`)
    found.push([name, row.decode(value, context)])
  }
  return Object.fromEntries(found)
}

function wordsOf(attributes: WireAttributes): ReadonlyMap<string, string> {
  const { localPref, multiExitDisc, asPath, communities = [], largeCommunities = [], extendedCommunities } = attributes
  const path = asPath?.flatMap(({ ases }) => ases) ?? []
  const [bandwidth] = extendedCommunities ?? []
  const large = largeCommunities.map(one => `large:${one.globalAdministrator}:${one.data1}:${one.data2}`)
  const words: Record<string, string> = {
    localPref: localPref === undefined ? '' : String(localPref),
    med: multiExitDisc === undefined ? '' : String(multiExitDisc),
    asPathPrepend: path.length > 1 ? String(path.length - 1) : '',
    communities: [...communities.map(wordCommunity), ...large].join(' '),
    'link bandwidth': bandwidth?.kind === 'linkBandwidth' ? `${(bandwidth.bytesPerSecond * 8) / 1_000_000} Mbit/s` : '',
  }
  return new Map(Object.entries(words).filter(([, text]) => text !== ''))
}

function wordCommunity(community: number): string {
  const { noExport, gracefulShutdown } = wellKnownCommunities
  const names = new Map<number, string>([
    [noExport, 'noExport'],
    [gracefulShutdown, 'gracefulShutdown'],
  ])
  return names.get(community) ?? `${community >>> 16}:${community & 0xffff}`
}

/** A BGP Identifier as a node with this IPv4 address has it. */
export function identifierOf(address: string): number {
  return address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0)
}
