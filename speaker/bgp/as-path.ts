import { Malformed, Reader, Writer } from '../../net/cursor.ts'
import { joinOctets } from './octets.ts'
import { twoOctetAs } from './open.ts'

/** The autonomous systems that a route came through, nearest first (RFC 4271 §4.3). */
export type AsPath = readonly AsPathSegment[]

/** A sequence is in order; a set has none, and counts as one step. */
export interface AsPathSegment {
  readonly kind: 'set' | 'sequence'
  readonly ases: readonly number[]
}

/** Confederation segments (3 and 4) are an error outside a confederation (RFC 5065 §5), and Berth is in none. */
const segmentTypes = { set: 1, sequence: 2 } as const

/** What a segment's one octet of length can count. */
const longestSegment = 255

/** A path of one sequence; none at all for a route of this AS itself. */
export function sequence(ases: readonly number[]): AsPath {
  return ases.length === 0 ? [] : [{ kind: 'sequence', ases }]
}

/** Repeated: type (1) | number of ASes (1) | each in two octets or, between speakers of RFC 6793, four. */
export function encodeAsPath(path: AsPath, fourOctetAs: boolean): Uint8Array {
  return joinOctets(path.flatMap(segment => splitSegment(segment)).map(segment => encodeSegment(segment, fourOctetAs)))
}

function splitSegment({ kind, ases }: AsPathSegment): readonly AsPathSegment[] {
  const pieces: AsPathSegment[] = []
  for (let start = 0; start < ases.length; start += longestSegment) {
    pieces.push({ kind, ases: ases.slice(start, start + longestSegment) })
  }
  return pieces
}

function encodeSegment({ kind, ases }: AsPathSegment, fourOctetAs: boolean): Uint8Array {
  const writer = new Writer(2 + ases.length * (fourOctetAs ? 4 : 2)).uint8(segmentTypes[kind]).uint8(ases.length)
  for (const as of ases) {
    if (fourOctetAs) writer.uint32(as)
    else writer.uint16(twoOctetAs(as))
  }
  return writer.finish()
}

/**
 * Throws Malformed for an unknown kind, an empty segment or one that runs past the end (RFC 7606 §7.2), and for AS 0,
 * which is nobody's (RFC 7607 §2).
 */
export function decodeAsPath(octets: Uint8Array, fourOctetAs: boolean): AsPath {
  const reader = new Reader(octets)
  const path: AsPathSegment[] = []
  while (reader.remaining > 0) {
    const type = reader.uint8()
    const count = reader.uint8()
    if (type !== segmentTypes.set && type !== segmentTypes.sequence) throw new Malformed(`AS_PATH segment type ${type}`)
    if (count === 0) throw new Malformed('empty AS_PATH segment')
    const ases = Array.from({ length: count }, () => (fourOctetAs ? reader.uint32() : reader.uint16()))
    if (ases.includes(0)) throw new Malformed('AS 0 in AS_PATH')
    path.push({ kind: type === segmentTypes.set ? 'set' : 'sequence', ases })
  }
  return path
}

/** Steps in the path as route selection counts them: a set is one (RFC 4271 §9.1.2.2). */
export function pathLength(path: AsPath): number {
  return path.reduce((steps, { kind, ases }) => steps + (kind === 'set' ? 1 : ases.length), 0)
}

/** Whether a path must be accompanied by AS4_PATH on its way to a speaker that knows only two octets. */
export function needsAs4Path(path: AsPath): boolean {
  return path.some(({ ases }) => ases.some(as => as > 0xffff))
}

/**
 * The real path behind AS_TRANS (RFC 6793 §4.2.3): the end is AS4_PATH's, and the steps that speakers of two octets
 * have added since stand before it. An AS4_PATH longer than the path is nonsense and not used.
 */
export function mergeAs4Path(path: AsPath, as4Path: AsPath): AsPath {
  let extra = pathLength(path) - pathLength(as4Path)
  if (extra < 0) return path
  const leading: AsPathSegment[] = []
  for (const segment of path) {
    if (extra === 0) break
    const taken = segment.kind === 'set' ? segment.ases : segment.ases.slice(0, extra)
    leading.push({ kind: segment.kind, ases: taken })
    extra -= segment.kind === 'set' ? 1 : taken.length
  }
  return joinSequences([...leading, ...as4Path])
}

/** Two sequences behind each other are one. */
function joinSequences(path: AsPath): AsPath {
  const joined: AsPathSegment[] = []
  for (const segment of path) {
    const last = joined.at(-1)
    if (last?.kind === 'sequence' && segment.kind === 'sequence') {
      joined[joined.length - 1] = { kind: 'sequence', ases: [...last.ases, ...segment.ases] }
    } else joined.push(segment)
  }
  return joined
}
