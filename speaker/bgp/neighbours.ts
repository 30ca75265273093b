import type { Logger } from 'pino'
import type { Address } from '../../net/address.ts'
import { type NeighbourWatch, watchNeighbour } from './neighbour.ts'
import type { ConfiguredPeer, PeerSettings } from './settings.ts'

/** The routers at the other ends of the interfaces that peers are configured by. */
export interface Neighbours {
  /** Listens on these interfaces and no others. */
  watch(interfaces: readonly string[]): void
  /** The peer with the address of its router; undefined while that has not been heard. */
  readonly resolve: (peer: ConfiguredPeer) => PeerSettings | undefined
}

/** So often it is looked whether an interface is there, and still the one that was there before. */
const checkEveryMs = 5_000

export function createNeighbours(log: Logger, onChange: () => void): Neighbours {
  const watches = new Map<string, NeighbourWatch>()
  const heard = new Map<string, Address>()
  const complaints = new Set<string>()
  let wanted: readonly string[] = []
  let check: NodeJS.Timeout | undefined

  function open(name: string): void {
    try {
      const note = (address: Address): void => {
        heard.set(name, address)
        log.info({ interface: name }, 'BGP: the router at the other end has been heard')
        onChange()
      }
      watches.set(name, watchNeighbour(name, note, log))
      complaints.delete(name)
    } catch (error) {
      if (!complaints.has(name))
        log.warn({ interface: name, err: error }, 'BGP: cannot listen for the router; trying again')
      complaints.add(name)
    }
  }

  function watch(interfaces: readonly string[]): void {
    wanted = interfaces
    for (const [name, running] of watches) {
      const isWanted = wanted.includes(name)
      if (isWanted && !running.isStale()) continue
      running.stop()
      watches.delete(name)
      // At the other end of an interface that was made anew there is mostly the same router.
      if (!isWanted) heard.delete(name)
    }
    for (const name of wanted) if (!watches.has(name)) open(name)
    clearTimeout(check)
    check = wanted.length > 0 ? setTimeout(() => watch(wanted), checkEveryMs) : undefined
  }

  return {
    watch,
    resolve(peer) {
      const { remote } = peer
      if (!('interface' in remote)) return { ...peer, remote }
      const address = heard.get(remote.interface)
      return address && { ...peer, remote: { address, zone: remote.interface } }
    },
  }
}
