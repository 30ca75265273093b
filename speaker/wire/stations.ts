import { type Address, formatAddress } from '../../net/address.ts'
import { formatMac, type MacAddress, parseMac, zeroMac } from '../../net/mac.ts'
import { openArpResponder } from '../arp/responder.ts'
import { openNdpResponder } from '../ndp/responder.ts'
import { type Asker, type AskerOptions, openAsker } from './asker.ts'
import type { Counters } from './counters.ts'
import type { NetworkInterface } from './messages.ts'
import type { Responder, ResponderOptions } from './responder.ts'

/** This node on one segment: an interface and the responders that are open on it. */
export interface Station {
  readonly interface: NetworkInterface
  /** Opens the responder of the address's family when it is first wanted; undefined = it cannot be opened, or all is closed. */
  responderFor(address: Address): Responder | undefined
  /** Opens a socket to ask who has addresses of a family here; undefined = it cannot be opened. */
  openAsker(family: Address['family'], hearing: Pick<AskerOptions, 'onHolder' | 'onProbe'>): Asker | undefined
  countLosses(): void
  close(): void
}

/** A station whose responders are still to be opened: a node without IPv6 Services has no IPv6 socket. */
export function createStation(
  networkInterface: NetworkInterface,
  options: {
    readonly isOwn: (mac: MacAddress) => boolean
    readonly nodeOf: (mac: MacAddress) => string | undefined
    readonly mayAnswer: () => boolean
    readonly onClaim: (interfaceName: string, address: string, mac: string) => void
    readonly onProblem: (text: string) => void
    readonly counters: Counters
  },
): Station {
  const { name, index, mac } = networkInterface
  const responders = new Map<Address['family'], Responder | undefined>()
  let closed = false

  const openFor = (family: Address['family']): Responder | undefined => {
    const responderOptions: ResponderOptions = {
      interface: { name, index, mac: parseMac(mac) ?? zeroMac },
      isOwn: options.isOwn,
      nodeOf: options.nodeOf,
      mayAnswer: options.mayAnswer,
      onClaim: (address, claimant) => options.onClaim(name, formatAddress(address), formatMac(claimant)),
      onProblem: options.onProblem,
      counter: options.counters.ofInterface(name, family === 'IPv4' ? 'ARP' : 'NDP'),
      addressCounter: address => options.counters.ofAddress(formatAddress(address), name),
    }
    try {
      return family === 'IPv4' ? openArpResponder(responderOptions) : openNdpResponder(responderOptions)
    } catch (error) {
      options.onProblem(`${family} addresses cannot be announced on ${name}: ${inWords(error)}`)
      return undefined
    }
  }

  return {
    interface: networkInterface,
    responderFor({ family }) {
      // What could not be opened once is not tried for every address; the interface's next change makes a new station.
      if (!closed && !responders.has(family)) responders.set(family, openFor(family))
      return responders.get(family)
    },
    openAsker(family, hearing) {
      try {
        return openAsker(family, {
          interface: { index, mac: parseMac(mac) ?? zeroMac },
          isOwn: options.isOwn,
          ...hearing,
          counter: options.counters.ofInterface(name, family === 'IPv4' ? 'ARP' : 'NDP'),
        })
      } catch (error) {
        options.onProblem(`nobody can be asked for ${family} addresses on ${name}: ${inWords(error)}`)
        return undefined
      }
    },
    countLosses() {
      for (const responder of responders.values()) responder?.countLosses()
    },
    close() {
      for (const responder of responders.values()) responder?.close()
      responders.clear()
      closed = true
    },
  }
}

function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
