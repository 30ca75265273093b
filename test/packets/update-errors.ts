import { addressToBytes } from '../../net/address.ts'
import { joinOctets } from '../../speaker/bgp/octets.ts'
import { hex } from './bytes.ts'
import { ip } from './values.ts'

/*
 * Every error that RFC 7606 (with RFC 4271 §6.3 and what came after) finds in an UPDATE, and what becomes of it: for the
 * decoder alone, and for a whole session with a peer that sends it.
 */

/** An UPDATE and what a decoder is to make of it. */
export interface UpdateError {
  readonly name: string
  /** The message without its header. */
  readonly body: Uint8Array
  /** `code/subcode` where the session must fall, else how many routes came and went, and what was wrong. */
  readonly outcome: string
  /** From a peer of our own AS. */
  readonly internal?: true
}

const origin = '40 01 01 00'
const asPath = '40 02 06 02 01 0000fc00'
const nextHop = '40 03 04 c0000201'
/** ORIGIN, AS_PATH and NEXT_HOP. */
export const goodAttributes = `${origin} ${asPath} ${nextHop}`
/** 203.0.113.1/32 */
export const oneRoute = '20 cb007101'
export const mpReach = '80 0e 0e 0001 01 04 c0000201 00 20 cb007101'
/** MP_REACH_NLRI of 2001:db8::/32 with the next hops of these texts. */
const mpReachBy = (...hops: readonly string[]) => {
  const octets = hops.map(text => Buffer.from(addressToBytes(ip(text))).toString('hex'))
  const size = (hops.length * 16).toString(16)
  return `80 0e ${(10 + hops.length * 16).toString(16)} 0002 01 ${size} ${octets.join(' ')} 00 20 20010db8`
}

/** The body of an UPDATE of these attributes and routes, all in hexadecimal. */
export function updateBody(attributes: string, nlri = oneRoute, withdrawn = ''): Uint8Array {
  const parts = [hex(withdrawn), hex(attributes)].flatMap(part => [Uint8Array.of(part.length >> 8, part.length), part])
  return joinOctets([...parts, hex(nlri)])
}

/** The session stays; the routes go, since nobody knows what was meant to be said of them. */
const withdrawnFor = (type: number) => `0 announced, 1 withdrawn; treat-as-withdraw ${type}`
/** The session stays, the routes too. */
const discarded = (type: number) => `1 announced, 0 withdrawn; attribute-discard ${type}`

const rows: readonly (readonly [name: string, body: Uint8Array, outcome: string, internal?: 'internal'])[] = [
  ['none at all', updateBody(goodAttributes), '1 announced, 0 withdrawn'],
  // §3 a: lengths that contradict each other
  ['withdrawn routes longer than the message', hex('0009 20 cb007101 0000'), '3/1'],
  ['attributes longer than the message', hex('0000 0009 40 01 01 00'), '3/1'],
  ['no room for the length of the attributes', hex('0004 18 cb0071 00'), '3/1'],
  // §5.3: prefixes
  ['an IPv4 prefix of 33 bits', updateBody(goodAttributes, '21 cb00710180'), '3/10'],
  ['a prefix that ends amid its octets', updateBody(goodAttributes, '20 cb0071'), '3/10'],
  ['a withdrawn prefix of 255 bits', updateBody('', '', 'ff'), '3/10'],
  ['an IPv6 prefix of 129 bits in MP_UNREACH_NLRI', updateBody('80 0f 04 0002 01 81', ''), '3/9'],
  [
    'a prefix cut short in MP_REACH_NLRI',
    updateBody(`${goodAttributes} 80 0e 0c 0001 01 04 c0000201 00 20 cb00`, ''),
    '3/9',
  ],
  // §7.11
  [
    'an MP next hop of 5 octets',
    updateBody(`${goodAttributes} 80 0e 0f 0001 01 05 c000020101 00 20 cb007101`, ''),
    '3/9',
  ],
  ['an MP_REACH_NLRI of 3 octets', updateBody(`${goodAttributes} 80 0e 03 0001 01`, ''), '3/9'],
  ['an MP_UNREACH_NLRI of 2 octets', updateBody(`80 0f 02 0001`, ''), '3/9'],
  // §3 g
  ['MP_REACH_NLRI twice', updateBody(`${goodAttributes} ${mpReach} ${mpReach}`, ''), '3/1'],
  ['MP_UNREACH_NLRI twice', updateBody('80 0f 03 0002 01 80 0f 03 0002 01', ''), '3/1'],
  ['ORIGIN twice: the first counts', updateBody(`${goodAttributes} 40 01 01 02`), discarded(1)],
  // §3 c
  ['ORIGIN marked optional', updateBody(`c0 01 01 00 ${asPath} ${nextHop}`), withdrawnFor(1)],
  ['MULTI_EXIT_DISC marked transitive', updateBody(`${goodAttributes} c0 04 04 00000001`), withdrawnFor(4)],
  ['MP_REACH_NLRI marked well-known', updateBody(`${origin} ${asPath} 40 ${mpReach.slice(3)}`, ''), withdrawnFor(14)],
  [
    'communities marked partial, which is no error',
    updateBody(`${goodAttributes} e0 08 04 00000001`),
    '1 announced, 0 withdrawn',
  ],
  // §3 d
  ['no ORIGIN', updateBody(`${asPath} ${nextHop}`), withdrawnFor(1)],
  ['no AS_PATH', updateBody(`${origin} ${nextHop}`), withdrawnFor(2)],
  ['no NEXT_HOP', updateBody(`${origin} ${asPath}`), withdrawnFor(3)],
  [
    'no NEXT_HOP beside MP_REACH_NLRI, which is no error',
    updateBody(`${origin} ${asPath} ${mpReach}`, ''),
    '1 announced, 0 withdrawn',
  ],
  // §4
  ['an attribute that runs past the list', updateBody(`${goodAttributes} 80 04 05 0000`), withdrawnFor(0)],
  ['half an attribute’s header', updateBody(`${goodAttributes} 80`), withdrawnFor(0)],
  ['half an extended length', updateBody(`${goodAttributes} 90 04 00`), withdrawnFor(0)],
  // §5.2
  ['no route to withdraw, and an error', updateBody('40 01 01 07', ''), '3/6'],
  ['no route to withdraw, and an attribute that runs past the list', updateBody('40 01 05', ''), '3/1'],
  [
    'no route, and an error that only costs the attribute',
    updateBody('40 06 01 00', ''),
    '0 announced, 0 withdrawn; attribute-discard 6',
  ],
  // RFC 4271 §6.3, unchanged
  ['an unknown well-known attribute', updateBody(`${goodAttributes} 40 63 00`), '3/2'],
  [
    'an unknown optional attribute, which is no error',
    updateBody(`${goodAttributes} c0 63 00`),
    '1 announced, 0 withdrawn',
  ],
  // §7, attribute by attribute
  ['ORIGIN 3', updateBody(`40 01 01 03 ${asPath} ${nextHop}`), withdrawnFor(1)],
  ['ORIGIN of two octets', updateBody(`40 01 02 0000 ${asPath} ${nextHop}`), withdrawnFor(1)],
  ['AS_PATH with an unknown segment', updateBody(`${origin} 40 02 06 05 01 0000fc00 ${nextHop}`), withdrawnFor(2)],
  ['AS_PATH with a confederation', updateBody(`${origin} 40 02 06 03 01 0000fc00 ${nextHop}`), withdrawnFor(2)],
  ['AS_PATH with an empty segment', updateBody(`${origin} 40 02 02 02 00 ${nextHop}`), withdrawnFor(2)],
  ['AS_PATH with a segment too long', updateBody(`${origin} 40 02 06 02 02 0000fc00 ${nextHop}`), withdrawnFor(2)],
  ['AS_PATH with one octet left over', updateBody(`${origin} 40 02 07 02 01 0000fc00 02 ${nextHop}`), withdrawnFor(2)],
  ['NEXT_HOP of 3 octets', updateBody(`${origin} ${asPath} 40 03 03 c00002`), withdrawnFor(3)],
  [
    'NEXT_HOP of 16 octets',
    updateBody(`${origin} ${asPath} 40 03 10 20010db8000000000000000000000001`),
    withdrawnFor(3),
  ],
  // RFC 4271 §6.3: what is no host's address
  ...['00000000', '00010203', '7f000001', 'e0000001', 'f0000001', 'ffffffff'].map(
    hop => [`NEXT_HOP ${hop}`, updateBody(`${origin} ${asPath} 40 03 04 ${hop}`), withdrawnFor(3)] as const,
  ),
  [
    'a NEXT_HOP that is private or of a link, which is no error',
    updateBody(`${origin} ${asPath} 40 03 04 a9fe0001`),
    '1 announced, 0 withdrawn',
  ],
  [
    'NEXT_HOP 0.0.0.0 beside MP_REACH_NLRI alone, where it counts for nothing (RFC 4760 §3)',
    updateBody(`${origin} ${asPath} 40 03 04 00000000 ${mpReach}`, ''),
    '1 announced, 0 withdrawn',
  ],
  [
    'an MP next hop 127.0.0.1',
    updateBody(`${origin} ${asPath} 80 0e 0e 0001 01 04 7f000001 00 20 cb007101`, ''),
    withdrawnFor(14),
  ],
  ...['::', '::1', 'ff02::1', '::ffff:0.0.0.0', '::ffff:127.0.0.1', '::ffff:224.0.0.1'].map(
    hop =>
      [`an MP next hop ${hop}`, updateBody(`${origin} ${asPath} ${mpReachBy(hop)}`, ''), withdrawnFor(14)] as const,
  ),
  ['MP next hops :: and ::1', updateBody(`${origin} ${asPath} ${mpReachBy('::', '::1')}`, ''), withdrawnFor(14)],
  ...[['2001:db8::1'], ['fe80::1'], ['2001:db8::1', 'fe80::1'], ['::', 'fe80::1'], ['::ffff:192.0.2.1']].map(
    hops =>
      [
        `MP next hops ${hops.join(' and ')}, which is no error`,
        updateBody(`${origin} ${asPath} ${mpReachBy(...hops)}`, ''),
        '1 announced, 0 withdrawn',
      ] as const,
  ),
  [
    'next hops in both places that are no host’s',
    updateBody(`${origin} ${asPath} 40 03 04 00000000 ${mpReachBy('::1')}`),
    '0 announced, 2 withdrawn; treat-as-withdraw 3, treat-as-withdraw 14',
  ],
  [
    'an MP next hop ::1 and no route',
    updateBody(`${origin} ${asPath} 80 0e 15 0002 01 10 00000000000000000000000000000001 00`, ''),
    '3/8',
  ],
  ['MULTI_EXIT_DISC of 3 octets', updateBody(`${goodAttributes} 80 04 03 000000`), withdrawnFor(4)],
  ['LOCAL_PREF from another AS, good or not', updateBody(`${goodAttributes} 40 05 01 00`), discarded(5)],
  ['LOCAL_PREF of 1 octet', updateBody(`${goodAttributes} 40 05 01 00`), withdrawnFor(5), 'internal'],
  ['ATOMIC_AGGREGATE of 1 octet', updateBody(`${goodAttributes} 40 06 01 00`), discarded(6)],
  [
    'AGGREGATOR of 6 octets between speakers of four-octet AS numbers',
    updateBody(`${goodAttributes} c0 07 06 fc00c0000201`),
    discarded(7),
  ],
  ['communities of 0 octets', updateBody(`${goodAttributes} c0 08 00`), withdrawnFor(8)],
  ['communities of 5 octets', updateBody(`${goodAttributes} c0 08 05 0000000000`), withdrawnFor(8)],
  ['ORIGINATOR_ID from another AS', updateBody(`${goodAttributes} 80 09 04 00000001`), discarded(9)],
  ['ORIGINATOR_ID of 5 octets', updateBody(`${goodAttributes} 80 09 05 0000000100`), withdrawnFor(9), 'internal'],
  ['CLUSTER_LIST from another AS', updateBody(`${goodAttributes} 80 0a 04 00000001`), discarded(10)],
  ['CLUSTER_LIST of 0 octets', updateBody(`${goodAttributes} 80 0a 00`), withdrawnFor(10), 'internal'],
  ['extended communities of 7 octets', updateBody(`${goodAttributes} c0 10 07 00000000000000`), withdrawnFor(16)],
  [
    'large communities of 11 octets (RFC 8092 §6)',
    updateBody(`${goodAttributes} c0 20 0b 0000000000000000000000`),
    withdrawnFor(32),
  ],
  ['AS4_PATH that is no path (RFC 6793 §6)', updateBody(`${goodAttributes} c0 11 01 02`), discarded(17)],
  ['AS4_AGGREGATOR of 6 octets', updateBody(`${goodAttributes} c0 12 06 fc00c0000201`), discarded(18)],
  // RFC 7607: AS 0 is nobody's
  ['AS_PATH with AS 0', updateBody(`${origin} 40 02 0a 02 02 0000fc00 00000000 ${nextHop}`), withdrawnFor(2)],
  ['AS_PATH with AS 0 in a set', updateBody(`${origin} 40 02 06 01 01 00000000 ${nextHop}`), withdrawnFor(2)],
  ['AGGREGATOR of AS 0', updateBody(`${goodAttributes} c0 07 08 00000000c0000201`), discarded(7)],
  ['AS4_PATH with AS 0', updateBody(`${goodAttributes} c0 11 06 02 01 00000000`), discarded(17)],
  ['AS4_AGGREGATOR of AS 0', updateBody(`${goodAttributes} c0 12 08 00000000c0000201`), discarded(18)],
  // §3 h
  [
    'a mild error and a worse one',
    updateBody(`${goodAttributes} 40 06 01 00 c0 08 00`),
    '0 announced, 1 withdrawn; attribute-discard 6, treat-as-withdraw 8',
  ],
  [
    'routes withdrawn beside routes in doubt',
    updateBody(`40 01 01 03 ${asPath} ${nextHop}`, oneRoute, oneRoute),
    '0 announced, 2 withdrawn; treat-as-withdraw 1',
  ],
  [
    'routes of a family nobody asked for',
    updateBody(`${origin} ${asPath} 80 0e 09 0001 85 04 c0000201 00`, ''),
    '0 announced, 0 withdrawn',
  ],
]

/** One of each. */
export const updateErrors: readonly UpdateError[] = rows.map(([name, body, outcome, internal]) => ({
  name,
  body,
  outcome,
  ...(internal && { internal: true }),
}))
