import { type Address, formatAddress, type IpFamily } from '../../net/address.ts'
import { PersistentMap } from '../../net/persistent-map.ts'
import type { AddressPrefix } from '../../net/range.ts'
import { type AttributeContext, encodeAttributes, type PathAttributes } from './attributes.ts'
import { headerLength, maximumMessageLength } from './framer.ts'
import { prefixSize } from './nlri.ts'
import type { Update } from './update.ts'

/** One route as a peer is to hear it; `attributes` are without next hop and NLRI. */
export interface Advertisement {
  readonly prefix: AddressPrefix
  readonly attributes: PathAttributes
  readonly nextHop: Address
  readonly linkLocalNextHop?: Address
}

/** What the peer has heard of us (RFC 4271 §3.2): by `prefixKey`, what was said. It begins empty with every session. */
export type AdjRibOut = Readonly<Record<IpFamily, PersistentMap<string, Said>>>

/** Nothing has been said. */
export const emptyAdjRibOut: AdjRibOut = { IPv4: PersistentMap.of(), IPv6: PersistentMap.of() }

interface Said {
  readonly prefix: AddressPrefix
  /** Equal for routes of which the same was said. */
  readonly saying: string
}

/** The messages that make of what was said what is wanted, and what has been said after them. */
export interface Planned {
  readonly updates: readonly Update[]
  readonly adjRibOut: AdjRibOut
  /** Routes with more attributes than a message holds; they are not announced. */
  readonly tooLong: readonly AddressPrefix[]
}

/** Routes of which the same is said: they share messages. */
interface Group {
  readonly sample: Advertisement
  /** How many octets a message has left for prefixes. */
  readonly room: number
  readonly prefixes: AddressPrefix[]
}

const families = ['IPv4', 'IPv6'] as const

/** Between the header and the prefixes: the two length fields of an UPDATE. */
const updateRoom = maximumMessageLength - headerLength - 4
/** Around prefixes that are withdrawn in MP_UNREACH_NLRI: the attribute's own header, family, subsequent family. */
const mpUnreachOverhead = 4 + 3

/**
 * Compares what was said with what is wanted and packs the difference: withdrawals first, so that a peer short of
 * memory has room, then for each set of attributes as few messages as hold its prefixes. The same prefix wanted twice
 * counts as wanted last.
 */
export function planUpdates(
  adjRibOut: AdjRibOut,
  wanted: readonly Advertisement[],
  context: AttributeContext,
): Planned {
  const { said, updates, tooLong } = say(adjRibOut, wanted, context)
  const withdrawn = families
    .flatMap(family => [...adjRibOut[family]])
    .filter(([key]) => !said.has(key))
    .map(([, { prefix }]) => prefix)
  return { updates: [...withdrawals(withdrawn), ...updates], adjRibOut: changed(emptyAdjRibOut, said, []), tooLong }
}

/** The same where all that is wanted is as it was but for this: nothing else is looked at. No prefix is in both lists. */
export function planChange(
  adjRibOut: AdjRibOut,
  change: { readonly wanted: readonly Advertisement[]; readonly gone: readonly AddressPrefix[] },
  context: AttributeContext,
): Planned {
  const withdrawn = change.gone.filter(prefix => isSaid(adjRibOut, prefix))
  const { said, updates, tooLong } = say(adjRibOut, change.wanted, context)
  return { updates: [...withdrawals(withdrawn), ...updates], adjRibOut: changed(adjRibOut, said, withdrawn), tooLong }
}

/** Whether anything has been said of the prefix. */
export function isSaid(adjRibOut: AdjRibOut, prefix: AddressPrefix): boolean {
  return adjRibOut[prefix.address.family].has(prefixKey(prefix))
}

/** With what has been said now, and without what has been withdrawn. */
function changed(
  adjRibOut: AdjRibOut,
  said: ReadonlyMap<string, Said>,
  withdrawn: readonly AddressPrefix[],
): AdjRibOut {
  const gone = withdrawn.map(prefix => [prefixKey(prefix), { prefix, saying: undefined }] as const)
  const changes = Map.groupBy([...gone, ...said], ([, { prefix }]) => prefix.address.family)
  const of = (family: IpFamily): AdjRibOut[IpFamily] =>
    adjRibOut[family].with(
      (changes.get(family) ?? []).map(([key, { prefix, saying }]) => [
        key,
        saying === undefined ? undefined : { prefix, saying },
      ]),
    )
  return { IPv4: of('IPv4'), IPv6: of('IPv6') }
}

/** What is wanted as it will have been said, and packed what of it has not been said yet. */
function say(
  adjRibOut: AdjRibOut,
  wanted: readonly Advertisement[],
  context: AttributeContext,
): Pick<Planned, 'updates' | 'tooLong'> & { readonly said: ReadonlyMap<string, Said> } {
  const said = new Map<string, Said>()
  const groups = new Map<string, Group>()
  const sayingOf = sayingsIn(context)
  const latest = new Map(wanted.map(advertisement => [prefixKey(advertisement.prefix), advertisement]))
  const tooLong: AddressPrefix[] = []
  for (const [key, advertisement] of latest) {
    const { prefix } = advertisement
    const { saying, room } = sayingOf(advertisement)
    if (room < prefixSize(prefix.length)) {
      tooLong.push(prefix)
      continue
    }
    said.set(key, { prefix, saying })
    if (adjRibOut[prefix.address.family].get(key)?.saying === saying) continue
    const group = groups.get(saying)
    if (group) group.prefixes.push(prefix)
    else groups.set(saying, { sample: advertisement, room, prefixes: [prefix] })
  }
  return { said, updates: [...groups.values()].flatMap(announcements), tooLong }
}

/** Everything of the family counts as unsaid, so that it is said or withdrawn again: the answer to ROUTE-REFRESH. */
export function forget(adjRibOut: AdjRibOut, family: IpFamily): AdjRibOut {
  const forgotten = Array.from(adjRibOut[family], ([key, { prefix }]) => [key, { prefix, saying: '' }] as const)
  return { ...adjRibOut, [family]: PersistentMap.of(forgotten) }
}

interface Saying {
  readonly saying: string
  readonly room: number
}

/** What is said of a route, as a text to compare by; each set of attributes is encoded once. */
function sayingsIn(context: AttributeContext): (advertisement: Advertisement) => Saying {
  const encoded = new Map<PathAttributes, { readonly text: string; readonly length: number }>()
  const hops = new Map<Address, string>()
  return advertisement => {
    const { attributes, nextHop, linkLocalNextHop, prefix } = advertisement
    const known = encoded.get(attributes) ?? encodedText(attributes, context)
    encoded.set(attributes, known)
    const hop = hops.get(nextHop) ?? formatAddress(nextHop)
    hops.set(nextHop, hop)
    const beside = linkLocalNextHop ? formatAddress(linkLocalNextHop) : ''
    return {
      saying: `${prefix.address.family} ${hop} ${beside} ${known.text}`,
      room: updateRoom - known.length - nextHopOverhead(advertisement),
    }
  }
}

function encodedText(attributes: PathAttributes, context: AttributeContext) {
  const octets = encodeAttributes(attributes, context)
  return { text: String.fromCharCode(...octets), length: octets.length }
}

/** NEXT_HOP with its header, or all of MP_REACH_NLRI but its prefixes. */
function nextHopOverhead(advertisement: Advertisement): number {
  if (isClassic(advertisement)) return 3 + 4
  const addresses = advertisement.linkLocalNextHop ? 32 : advertisement.nextHop.family === 'IPv4' ? 4 : 16
  return 4 + 5 + addresses
}

/** IPv4 with an IPv4 next hop travels in the fixed fields, as since 1995; all else in MP_REACH_NLRI. */
function isClassic({ prefix, nextHop }: Advertisement): boolean {
  return prefix.address.family === 'IPv4' && nextHop.family === 'IPv4'
}

function withdrawals(prefixes: readonly AddressPrefix[]): readonly Update[] {
  const of = (family: IpFamily) => prefixes.filter(({ address }) => address.family === family)
  return [
    ...fill(of('IPv4'), updateRoom).map((withdrawn): Update => ({ withdrawn, attributes: {}, nlri: [] })),
    ...fill(of('IPv6'), updateRoom - mpUnreachOverhead).map(
      (withdrawn): Update => ({
        withdrawn: [],
        attributes: { mpUnreach: { kind: 'unicast', family: 'IPv6', withdrawn } },
        nlri: [],
      }),
    ),
  ]
}

function announcements({ sample, room, prefixes }: Group): readonly Update[] {
  const { attributes, nextHop, linkLocalNextHop, prefix } = sample
  return fill(prefixes, room).map((nlri): Update => {
    if (isClassic(sample)) return { withdrawn: [], attributes: { ...attributes, nextHop }, nlri }
    const mpReach = {
      kind: 'unicast',
      family: prefix.address.family,
      nextHop,
      ...(linkLocalNextHop && { linkLocalNextHop }),
      nlri,
    } as const
    return { withdrawn: [], attributes: { ...attributes, mpReach }, nlri: [] }
  })
}

/** The prefixes in as few lists as hold no more than `room` octets each, in order. */
function fill(prefixes: readonly AddressPrefix[], room: number): readonly (readonly AddressPrefix[])[] {
  const lists: AddressPrefix[][] = []
  let left = 0
  for (const prefix of prefixes) {
    const size = prefixSize(prefix.length)
    if (size > left) {
      lists.push([])
      left = room
    }
    lists.at(-1)?.push(prefix)
    left -= size
  }
  return lists
}

/** Equal for equal prefixes; cheaper than their text. */
export function prefixKey({ address, length }: AddressPrefix): string {
  return `${address.family}${address.value.toString(36)}/${length}`
}
