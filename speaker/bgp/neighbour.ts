import { networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import { type Address, addressFromBytes } from '../../net/address.ts'
import { bindToDevice, levelIp, setOption, socketAddress, socketDomains } from '../rawsock/inet.ts'
import { openRawSocket } from '../rawsock/rawsock.ts'
import { isLinkLocal } from './next-hop.ts'
import {
  decodePresence,
  encodePresence,
  encodeSolicitation,
  hopLimitIn,
  neighbourHopLimit,
  onlyType,
  routerAdvertisement,
} from './router-advertisement.ts'

/** Listens on one interface for the router at its other end, and lets it know of us. */
export interface NeighbourWatch {
  /** Whether the interface of this name is another by now, which the watch does not hear. */
  isStale(): boolean
  stop(): void
}

const rawSocket = 3
const icmpV6 = 58
const options = {
  multicastInterface: 17,
  multicastHops: 18,
  multicastLoop: 19,
  receiveHopLimit: 51,
  filter: 1,
} as const

const allNodes: Address = { family: 'IPv6', value: (0xff02n << 112n) + 1n }
const allRouters: Address = { family: 'IPv6', value: (0xff02n << 112n) + 2n }

/** Often at first, since a router waits for it, and then as often as routers themselves do. */
const firstIntervalMs = 1_000
const firstCount = 5
const intervalMs = 10_000
/** A router that has not been heard for so long may be replaced by another. */
const forgetMs = 3.5 * intervalMs

/** Throws where the interface does not exist or raw sockets are not allowed. */
export function watchNeighbour(name: string, onNeighbour: (address: Address) => void, log: Logger): NeighbourWatch {
  const scopeId = scopeIdOf(name)
  const raw = openRawSocket(socketDomains.IPv6, rawSocket, icmpV6)
  try {
    raw.setOption(icmpV6, options.filter, onlyType(routerAdvertisement))
    setOption(raw, bindToDevice(name))
    raw.setOption(levelIp.IPv6, options.multicastInterface, scopeId)
    raw.setOption(levelIp.IPv6, options.multicastHops, neighbourHopLimit)
    raw.setOption(levelIp.IPv6, options.multicastLoop, 0)
    raw.setOption(levelIp.IPv6, options.receiveHopLimit, 1)
  } catch (error) {
    raw.close()
    throw error
  }
  let known: { readonly value: bigint; heardMs: number } | undefined
  raw.receive({
    dataSize: 1504,
    controlSize: 64,
    slots: 4,
    onError: code => log.debug({ interface: name, code }, 'listening for a router'),
    onDatagram({ data, from, control }) {
      if (!decodePresence(data, hopLimitIn(control)).ok) return
      const address = addressFromBytes(from.subarray(8, 24))
      if (!isLinkLocal(address)) return
      const nowMs = performance.now()
      if (address.value === known?.value) known.heardMs = nowMs
      // Of two routers on one segment the first is kept, or they would take the session from each other.
      else if (!known || nowMs - known.heardMs > forgetMs) {
        known = { value: address.value, heardMs: nowMs }
        onNeighbour(address)
      }
    },
  })
  const presence = encodePresence()
  const solicitation = encodeSolicitation()
  let sent = 0
  const say = (): void => {
    sent += 1
    timer = setTimeout(say, sent < firstCount ? firstIntervalMs : intervalMs)
    try {
      raw.send(presence, socketAddress(allNodes, 0, scopeId))
      // A router speaks of its own accord every ten seconds or more: too long to wait after a restart of ours.
      if (!known && sent <= firstCount) raw.send(solicitation, socketAddress(allRouters, 0, scopeId))
    } catch (error) {
      // The cable is out, or there is no link-local address yet; the next time may go better.
      log.debug({ interface: name, err: error }, 'cannot say that we are here')
    }
  }
  let timer: NodeJS.Timeout | undefined
  say()
  return {
    isStale: () => (findScopeId(name) ?? scopeId) !== scopeId,
    stop() {
      clearTimeout(timer)
      raw.close()
    },
  }
}

function scopeIdOf(name: string): number {
  const scopeId = findScopeId(name)
  if (scopeId === undefined) throw new Error(`no interface ${name} with a link-local address`)
  return scopeId
}

/** The kernel's number of the interface; undefined also while its cable is out. */
function findScopeId(name: string): number | undefined {
  for (const address of networkInterfaces()[name] ?? []) {
    if (address.family === 'IPv6' && address.scopeid > 0) return address.scopeid
  }
  return undefined
}
