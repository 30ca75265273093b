import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import type { AfiSafi } from './family.ts'
import { joinOctets, noOctets } from './octets.ts'

/** What a speaker says in its OPEN that it can do (RFC 5492). Kinds that Berth does not know are kept as they came. */
export type Capability =
  /** Routes of this family (RFC 4760 §8). */
  | ({ readonly kind: 'multiprotocol' } & AfiSafi)
  /** Sends its routes again when asked (RFC 2918). */
  | { readonly kind: 'routeRefresh' }
  /** Takes routes of this family with a next hop of another one (RFC 8950 §4). */
  | { readonly kind: 'extendedNextHop'; readonly entries: readonly (AfiSafi & { readonly nextHopAfi: number })[] }
  | GracefulRestart
  /** AS numbers of four octets, and the speaker's own (RFC 6793 §3). */
  | { readonly kind: 'fourOctetAs'; readonly as: number }
  /** Marks where refreshed routes begin and end (RFC 7313). */
  | { readonly kind: 'enhancedRouteRefresh' }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array }

/** Routes may outlive the session for a while (RFC 4724 §3, with the N bit of RFC 8538 §2). */
export interface GracefulRestart {
  readonly kind: 'gracefulRestart'
  /** The R bit: the speaker has just restarted. */
  readonly restarting: boolean
  /** The N bit: also after a NOTIFICATION, unless it says Hard Reset. */
  readonly notification: boolean
  /** How long the peer should keep the routes, 0 to 4095. */
  readonly restartTimeSeconds: number
  /** Families that it speaks of, and whether packets went on flowing while it restarted (the F bit). */
  readonly families: readonly (AfiSafi & { readonly forwardingPreserved: boolean })[]
}

type KnownKind = Exclude<Capability['kind'], 'unknown'>

interface CapabilityRow<Kind extends KnownKind> {
  readonly code: number
  readonly decode: (reader: Reader) => Extract<Capability, { kind: Kind }>
  readonly encode: (capability: Extract<Capability, { kind: Kind }>) => Uint8Array
}

const maximumRestartTime = 0xfff

const rows: { readonly [Kind in KnownKind]: CapabilityRow<Kind> } = {
  //  afi (2) | reserved (1) | safi (1)
  multiprotocol: {
    code: 1,
    decode(reader) {
      const afi = reader.uint16()
      reader.skip(1)
      return { kind: 'multiprotocol', afi, safi: reader.uint8() }
    },
    encode: ({ afi, safi }) => new Writer(4).uint16(afi).uint8(0).uint8(safi).finish(),
  },
  routeRefresh: { code: 2, decode: () => ({ kind: 'routeRefresh' }), encode: () => noOctets },
  //  repeated: afi (2) | safi (2) | next hop afi (2)
  extendedNextHop: {
    code: 5,
    decode(reader) {
      const entries: (AfiSafi & { nextHopAfi: number })[] = []
      while (reader.remaining > 0) {
        entries.push({ afi: reader.uint16(), safi: reader.uint16(), nextHopAfi: reader.uint16() })
      }
      return { kind: 'extendedNextHop', entries }
    },
    encode: ({ entries }) =>
      joinOctets(
        entries.map(entry => new Writer(6).uint16(entry.afi).uint16(entry.safi).uint16(entry.nextHopAfi).finish()),
      ),
  },
  //  R | N | 2 reserved bits | restart time (12 bits), then repeated: afi (2) | safi (1) | F | 7 reserved bits
  gracefulRestart: {
    code: 64,
    decode(reader) {
      const first = reader.uint16()
      const families: GracefulRestart['families'][number][] = []
      while (reader.remaining > 0) {
        families.push({
          afi: reader.uint16(),
          safi: reader.uint8(),
          forwardingPreserved: (reader.uint8() & 0x80) !== 0,
        })
      }
      return {
        kind: 'gracefulRestart',
        restarting: (first & 0x8000) !== 0,
        notification: (first & 0x4000) !== 0,
        restartTimeSeconds: first & maximumRestartTime,
        families,
      }
    },
    encode({ restarting, notification, restartTimeSeconds, families }) {
      const flags = (restarting ? 0x8000 : 0) | (notification ? 0x4000 : 0)
      const first = new Writer(2).uint16(flags | Math.min(restartTimeSeconds, maximumRestartTime)).finish()
      return joinOctets([
        first,
        ...families.map(({ afi, safi, forwardingPreserved }) =>
          new Writer(4)
            .uint16(afi)
            .uint8(safi)
            .uint8(forwardingPreserved ? 0x80 : 0)
            .finish(),
        ),
      ])
    },
  },
  fourOctetAs: {
    code: 65,
    decode: reader => ({ kind: 'fourOctetAs', as: reader.uint32() }),
    encode: ({ as }) => new Writer(4).uint32(as).finish(),
  },
  enhancedRouteRefresh: {
    code: 70,
    decode: () => ({ kind: 'enhancedRouteRefresh' }),
    encode: () => noOctets,
  },
}

interface AnyCapabilityRow {
  readonly code: number
  readonly decode: (reader: Reader) => Capability
  readonly encode: (capability: never) => Uint8Array
}

const rowsByCode: ReadonlyMap<number, AnyCapabilityRow> = new Map(
  Object.values(rows).map((row: AnyCapabilityRow) => [row.code, row]),
)

/** Capabilities behind each other: code (1) | length (1) | value. */
export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  return joinOctets(
    capabilities.map(capability => {
      const code = capability.kind === 'unknown' ? capability.code : rows[capability.kind].code
      const value = capability.kind === 'unknown' ? capability.value : encodeValue(capability)
      return joinOctets([Uint8Array.of(code, value.length), value])
    }),
  )
}

function encodeValue(capability: Exclude<Capability, { kind: 'unknown' }>): Uint8Array {
  const row: AnyCapabilityRow = rows[capability.kind]
  return row.encode(capability as never)
}

/** Throws Malformed where a capability that Berth knows has a length that it cannot have, or one runs past the end. */
export function decodeCapabilities(octets: Uint8Array): readonly Capability[] {
  const reader = new Reader(octets)
  const capabilities: Capability[] = []
  while (reader.remaining > 0) {
    const code = reader.uint8()
    const value = reader.bytes(reader.uint8())
    capabilities.push(decodeCapability(code, value))
  }
  return capabilities
}

function decodeCapability(code: number, value: Uint8Array): Capability {
  const row = rowsByCode.get(code)
  // A copy, since an OPEN outlives the receive buffer.
  if (!row) return { kind: 'unknown', code, value: value.slice() }
  const reader = new Reader(value)
  const capability = row.decode(reader)
  if (reader.remaining > 0) throw new Malformed(`capability ${code} with ${reader.remaining} octets too many`)
  return capability
}
