import type { ResolutionProtocol, WireCounter } from './messages.ts'

/** What is counted per address and interface. */
export interface AddressCounter {
  requestReceived(): void
  responseSent(): void
  gratuitousSent(): void
}

/** What is counted per interface and protocol. */
export interface InterfaceCounter {
  malformed(): void
  ignored(reason: string): void
  dropped(reason: string, count?: number): void
}

/** All counters of the thread. */
export interface Counters {
  ofAddress(address: string, interfaceName: string): AddressCounter
  ofInterface(interfaceName: string, protocol: ResolutionProtocol): InterfaceCounter
  /** Forgets an address on an interface; it is told once more, and begins at zero should it come back. */
  forget(address: string, interfaceName: string): void
  /** The counters that changed since this was last asked. */
  takeChanged(): readonly WireCounter[]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type AddressRecord = Mutable<Extract<WireCounter, { kind: 'address' }>>
type InterfaceRecord = Mutable<Extract<WireCounter, { kind: 'interface' }>> & {
  readonly ignored: Record<string, number>
  readonly dropped: Record<string, number>
}

/** `onChange` is called with the first change after a `takeChanged`, so that nothing runs while nothing happens. */
export function createCounters(onChange: () => void): Counters {
  const addresses = new Map<string, AddressRecord>()
  const interfaces = new Map<string, InterfaceRecord>()
  const changed = new Set<AddressRecord | InterfaceRecord>()

  const touch = (record: AddressRecord | InterfaceRecord): void => {
    if (changed.size === 0) onChange()
    changed.add(record)
  }

  return {
    ofAddress(address, name) {
      const record = getOrMake<AddressRecord>(addresses, `${name} ${address}`, () => ({
        kind: 'address',
        address,
        interface: name,
        requestsReceived: 0,
        responsesSent: 0,
        gratuitousSent: 0,
      }))
      const counting = (field: 'requestsReceived' | 'responsesSent' | 'gratuitousSent') => () => {
        record[field]++
        touch(record)
      }
      return {
        requestReceived: counting('requestsReceived'),
        responseSent: counting('responsesSent'),
        gratuitousSent: counting('gratuitousSent'),
      }
    },
    ofInterface(name, protocol) {
      const record = getOrMake<InterfaceRecord>(interfaces, `${name} ${protocol}`, () => ({
        kind: 'interface',
        interface: name,
        protocol,
        malformed: 0,
        ignored: {},
        dropped: {},
      }))
      return {
        malformed() {
          record.malformed++
          touch(record)
        },
        ignored(reason) {
          record.ignored[reason] = (record.ignored[reason] ?? 0) + 1
          touch(record)
        },
        dropped(reason, count = 1) {
          record.dropped[reason] = (record.dropped[reason] ?? 0) + count
          touch(record)
        },
      }
    },
    forget: (address, name) => void addresses.delete(`${name} ${address}`),
    takeChanged() {
      const taken = [...changed]
      changed.clear()
      return taken
    },
  }
}

function getOrMake<T>(map: Map<string, T>, key: string, make: () => T): T {
  const held = map.get(key) ?? make()
  map.set(key, held)
  return held
}
