import { createServer, type Server, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Address, formatAddress, type IpFamily } from '../../net/address.ts'
import {
  anyAddress,
  bindToDevice,
  onlyIPv6,
  reuseAddress,
  type SocketOption,
  setOption,
  socketAddress,
  socketDomains,
  timeToLive,
} from '../rawsock/inet.ts'
import { openRawSocket, type RawSocket } from '../rawsock/rawsock.ts'
import type { LocalAddress } from './next-hop.ts'
import { parseSocketAddress } from './next-hop.ts'
import { formatRemote, type PeerSettings } from './settings.ts'
import { md5Signature, minimumTimeToLive, protocolTcp, streamSocket } from './tcp-options.ts'

/** What a connection needs that Node's own sockets cannot do. */
type TransportOptions = Pick<PeerSettings, 'device' | 'ttl' | 'minimumTtl'>

/**
 * Dials a peer. Where an option is wanted that Node does not know, it is set on a socket of our own, which Node then
 * takes over. Throws where the kernel refuses an option or the source address.
 */
export function dial(settings: PeerSettings): Socket {
  const { remote, port, sourceAddress, password, minimumTtl } = settings
  const { family } = remote.address
  const options = optionsOf(settings, family)
  if (password !== undefined) options.push(md5Signature(remote.address, scopeIdOf(remote.zone), password))
  const host = formatRemote(remote)
  if (options.length === 0 && minimumTtl === undefined) {
    const localAddress = sourceAddress && formatAddress(sourceAddress)
    const socket = new Socket({ allowHalfOpen: true })
    return socket.setNoDelay(true).connect({ host, port, ...(localAddress !== undefined && { localAddress }) })
  }
  const raw = openRawSocket(socketDomains[family], streamSocket, protocolTcp)
  try {
    for (const option of options) setOption(raw, option)
    if (sourceAddress) raw.bind(socketAddress(sourceAddress, 0, scopeIdOf(remote.zone)))
    const socket = new Socket({ fd: raw.duplicate(), readable: true, writable: true, allowHalfOpen: true })
    // Many routers answer a SYN with the TTL of their listener and set that of GTSM only on what they accept.
    if (minimumTtl !== undefined) socket.once('connect', () => setOption(raw, minimumTimeToLive(family, minimumTtl)))
    socket.once('connect', () => raw.close()).once('close', () => raw.close())
    return socket.setNoDelay(true).connect({ host, port })
  } catch (error) {
    raw.close()
    throw error
  }
}

function optionsOf({ device, ttl }: TransportOptions, family: IpFamily): SocketOption[] {
  return [
    ...(device === undefined ? [] : [bindToDevice(device)]),
    ...(ttl === undefined ? [] : [timeToLive(family, ttl)]),
  ]
}

/** Who may connect to a listener, and with which key. */
export interface ListenerPeer {
  readonly address: Address
  readonly zone: string | undefined
  readonly password: string | undefined
}

export interface ListenerOptions extends TransportOptions {
  readonly family: IpFamily
  readonly port: number
  /** Some peer has a key. */
  readonly signed: boolean
  readonly onConnection: (socket: Socket) => void
  /** From now on peers can dial. */
  readonly onListening: () => void
  readonly onError: (error: Error) => void
}

/** A port on which peers dial us. */
export interface Listener {
  /** Sets the keys of these peers and takes back those of all others; connections that stand keep theirs. */
  setPeers(peers: readonly ListenerPeer[]): void
  close(): void
}

/**
 * Listens on every address of the family. Where no peer has a key or asks for more than Node's own sockets can do,
 * Node listens; such a listener knows no keys. Throws where the kernel refuses, or reports to `onError`.
 */
export function listen(options: ListenerOptions): Listener {
  const { family, port, signed, onConnection, onListening, onError } = options
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
  server.on('listening', onListening).on('error', onError)
  const wanted = optionsOf(options, family)
  if (options.minimumTtl !== undefined) wanted.push(minimumTimeToLive(family, options.minimumTtl))
  if (wanted.length === 0 && !signed) {
    server.listen({ host: family === 'IPv4' ? '0.0.0.0' : '::', port, ipv6Only: true })
    return { setPeers: () => {}, close: () => void server.close() }
  }
  const raw = openRawSocket(socketDomains[family], streamSocket, protocolTcp)
  try {
    setOption(raw, reuseAddress())
    if (family === 'IPv6') setOption(raw, onlyIPv6())
    for (const option of wanted) setOption(raw, option)
    raw.bind(socketAddress(anyAddress[family], port, 0))
    server.listen({ fd: raw.duplicate() })
  } catch (error) {
    raw.close()
    throw error
  }
  const keys = new Map<string, ListenerPeer>()
  return {
    setPeers: peers => changeKeys(raw, keys, peers),
    close() {
      server.close()
      raw.close()
    },
  }
}

/** Takes back the keys of peers that are no more and sets those that are new; a peer without a key needs none. */
function changeKeys(raw: RawSocket, keys: Map<string, ListenerPeer>, peers: readonly ListenerPeer[]): void {
  const signed = peers.filter(({ password }) => password !== undefined)
  const wanted = new Map(signed.map(peer => [formatRemoteOf(peer), peer]))
  for (const [name, peer] of keys) {
    if (wanted.has(name)) continue
    setOption(raw, md5Signature(peer.address, scopeIdOf(peer.zone), ''))
    keys.delete(name)
  }
  for (const [name, peer] of wanted) {
    if (keys.get(name)?.password === peer.password) continue
    setOption(raw, md5Signature(peer.address, scopeIdOf(peer.zone), peer.password ?? ''))
    keys.set(name, peer)
  }
}

function formatRemoteOf({ address, zone }: ListenerPeer): string {
  return formatRemote(zone === undefined ? { address } : { address, zone })
}

/** The kernel's number of an interface, by which it tells link-local addresses apart; 0 without one. */
function scopeIdOf(zone: string | undefined): number {
  const addresses = zone === undefined ? [] : (networkInterfaces()[zone] ?? [])
  for (const address of addresses) if (address.family === 'IPv6' && address.scopeid > 0) return address.scopeid
  return 0
}

/** Every address of this node that is up. */
export function localAddresses(): readonly LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .map(({ address }) => parseSocketAddress(address))
      .filter(address => address !== undefined)
      .map(address => ({ interface: name, address })),
  )
}
