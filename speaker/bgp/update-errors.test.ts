import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinOctets } from './octets.ts'
import { decodeUpdate, type UpdateContext } from './update.ts'

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const external: UpdateContext = { fourOctetAs: true, internal: false }
const internal: UpdateContext = { fourOctetAs: true, internal: true }

const origin = '40 01 01 00'
const asPath = '40 02 06 02 01 0000fc00'
const nextHop = '40 03 04 c0000201'
const good = `${origin} ${asPath} ${nextHop}`
const route = '20 cb007101'
const mpReach = '80 0e 0e 0001 01 04 c0000201 00 20 cb007101'

/** An UPDATE of these attributes and routes. */
function update(attributes: string, nlri = route, withdrawn = ''): Uint8Array {
  const parts = [hex(withdrawn), hex(attributes)].flatMap(part => [Uint8Array.of(part.length >> 8, part.length), part])
  return joinOctets([...parts, hex(nlri)])
}

function outcome(bytes: Uint8Array, context: UpdateContext): string {
  const decoded = decodeUpdate(bytes, context)
  if (!decoded.ok) return `${decoded.problem.code}/${decoded.problem.subcode}`
  const { update: value, problems } = decoded.value
  const gone =
    value.withdrawn.length +
    (value.attributes.mpUnreach?.kind === 'unicast' ? value.attributes.mpUnreach.withdrawn.length : 0)
  const here =
    value.nlri.length + (value.attributes.mpReach?.kind === 'unicast' ? value.attributes.mpReach.nlri.length : 0)
  const handling = problems.map(problem => `${problem.handling} ${problem.type}`).join(', ')
  return `${here} announced, ${gone} withdrawn${handling && `; ${handling}`}`
}

/** The session stays; the routes go, since nobody knows what was meant to be said of them. */
const withdrawnFor = (type: number) => `0 announced, 1 withdrawn; treat-as-withdraw ${type}`
/** The session stays, the routes too. */
const discarded = (type: number) => `1 announced, 0 withdrawn; attribute-discard ${type}`

describe('an error in an UPDATE, by RFC 7606', () => {
  const rows: readonly [name: string, bytes: Uint8Array, outcome: string, context?: UpdateContext][] = [
    ['none at all', update(good), '1 announced, 0 withdrawn'],
    // §3 a: lengths that contradict each other
    ['withdrawn routes longer than the message', hex('0009 20 cb007101 0000'), '3/1'],
    ['attributes longer than the message', hex('0000 0009 40 01 01 00'), '3/1'],
    ['no room for the length of the attributes', hex('0004 18 cb0071 00'), '3/1'],
    // §5.3: prefixes
    ['an IPv4 prefix of 33 bits', update(good, '21 cb00710180'), '3/10'],
    ['a prefix that ends amid its octets', update(good, '20 cb0071'), '3/10'],
    ['a withdrawn prefix of 255 bits', update('', '', 'ff'), '3/10'],
    ['an IPv6 prefix of 129 bits in MP_UNREACH_NLRI', update('80 0f 04 0002 01 81', ''), '3/9'],
    ['a prefix cut short in MP_REACH_NLRI', update(`${good} 80 0e 0c 0001 01 04 c0000201 00 20 cb00`, ''), '3/9'],
    // §7.11
    ['an MP next hop of 5 octets', update(`${good} 80 0e 0f 0001 01 05 c000020101 00 20 cb007101`, ''), '3/9'],
    ['an MP_REACH_NLRI of 3 octets', update(`${good} 80 0e 03 0001 01`, ''), '3/9'],
    ['an MP_UNREACH_NLRI of 2 octets', update(`80 0f 02 0001`, ''), '3/9'],
    // §3 g
    ['MP_REACH_NLRI twice', update(`${good} ${mpReach} ${mpReach}`, ''), '3/1'],
    ['MP_UNREACH_NLRI twice', update('80 0f 03 0002 01 80 0f 03 0002 01', ''), '3/1'],
    ['ORIGIN twice: the first counts', update(`${good} 40 01 01 02`), discarded(1)],
    // §3 c
    ['ORIGIN marked optional', update(`c0 01 01 00 ${asPath} ${nextHop}`), withdrawnFor(1)],
    ['MULTI_EXIT_DISC marked transitive', update(`${good} c0 04 04 00000001`), withdrawnFor(4)],
    ['MP_REACH_NLRI marked well-known', update(`${origin} ${asPath} 40 ${mpReach.slice(3)}`, ''), withdrawnFor(14)],
    ['communities marked partial, which is no error', update(`${good} e0 08 04 00000001`), '1 announced, 0 withdrawn'],
    // §3 d
    ['no ORIGIN', update(`${asPath} ${nextHop}`), withdrawnFor(1)],
    ['no AS_PATH', update(`${origin} ${nextHop}`), withdrawnFor(2)],
    ['no NEXT_HOP', update(`${origin} ${asPath}`), withdrawnFor(3)],
    [
      'no NEXT_HOP beside MP_REACH_NLRI, which is no error',
      update(`${origin} ${asPath} ${mpReach}`, ''),
      '1 announced, 0 withdrawn',
    ],
    // §4
    ['an attribute that runs past the list', update(`${good} 80 04 05 0000`), withdrawnFor(0)],
    ['half an attribute’s header', update(`${good} 80`), withdrawnFor(0)],
    ['half an extended length', update(`${good} 90 04 00`), withdrawnFor(0)],
    // §5.2
    ['no route to withdraw, and an error', update('40 01 01 07', ''), '3/6'],
    ['no route to withdraw, and an attribute that runs past the list', update('40 01 05', ''), '3/1'],
    [
      'no route, and an error that only costs the attribute',
      update('40 06 01 00', ''),
      '0 announced, 0 withdrawn; attribute-discard 6',
    ],
    // RFC 4271 §6.3, unchanged
    ['an unknown well-known attribute', update(`${good} 40 63 00`), '3/2'],
    ['an unknown optional attribute, which is no error', update(`${good} c0 63 00`), '1 announced, 0 withdrawn'],
    // §7, attribute by attribute
    ['ORIGIN 3', update(`40 01 01 03 ${asPath} ${nextHop}`), withdrawnFor(1)],
    ['ORIGIN of two octets', update(`40 01 02 0000 ${asPath} ${nextHop}`), withdrawnFor(1)],
    ['AS_PATH with an unknown segment', update(`${origin} 40 02 06 05 01 0000fc00 ${nextHop}`), withdrawnFor(2)],
    ['AS_PATH with a confederation', update(`${origin} 40 02 06 03 01 0000fc00 ${nextHop}`), withdrawnFor(2)],
    ['AS_PATH with an empty segment', update(`${origin} 40 02 02 02 00 ${nextHop}`), withdrawnFor(2)],
    ['AS_PATH with a segment too long', update(`${origin} 40 02 06 02 02 0000fc00 ${nextHop}`), withdrawnFor(2)],
    ['AS_PATH with one octet left over', update(`${origin} 40 02 07 02 01 0000fc00 02 ${nextHop}`), withdrawnFor(2)],
    ['NEXT_HOP of 3 octets', update(`${origin} ${asPath} 40 03 03 c00002`), withdrawnFor(3)],
    ['NEXT_HOP of 16 octets', update(`${origin} ${asPath} 40 03 10 20010db8000000000000000000000001`), withdrawnFor(3)],
    ['MULTI_EXIT_DISC of 3 octets', update(`${good} 80 04 03 000000`), withdrawnFor(4)],
    ['LOCAL_PREF from another AS, good or not', update(`${good} 40 05 01 00`), discarded(5)],
    ['LOCAL_PREF of 1 octet', update(`${good} 40 05 01 00`), withdrawnFor(5), internal],
    ['ATOMIC_AGGREGATE of 1 octet', update(`${good} 40 06 01 00`), discarded(6)],
    [
      'AGGREGATOR of 6 octets between speakers of four-octet AS numbers',
      update(`${good} c0 07 06 fc00c0000201`),
      discarded(7),
    ],
    ['communities of 0 octets', update(`${good} c0 08 00`), withdrawnFor(8)],
    ['communities of 5 octets', update(`${good} c0 08 05 0000000000`), withdrawnFor(8)],
    ['ORIGINATOR_ID from another AS', update(`${good} 80 09 04 00000001`), discarded(9)],
    ['ORIGINATOR_ID of 5 octets', update(`${good} 80 09 05 0000000100`), withdrawnFor(9), internal],
    ['CLUSTER_LIST from another AS', update(`${good} 80 0a 04 00000001`), discarded(10)],
    ['CLUSTER_LIST of 0 octets', update(`${good} 80 0a 00`), withdrawnFor(10), internal],
    ['extended communities of 7 octets', update(`${good} c0 10 07 00000000000000`), withdrawnFor(16)],
    [
      'large communities of 11 octets (RFC 8092 §6)',
      update(`${good} c0 20 0b 0000000000000000000000`),
      withdrawnFor(32),
    ],
    ['AS4_PATH that is no path (RFC 6793 §6)', update(`${good} c0 11 01 02`), discarded(17)],
    ['AS4_AGGREGATOR of 6 octets', update(`${good} c0 12 06 fc00c0000201`), discarded(18)],
    // §3 h
    [
      'a mild error and a worse one',
      update(`${good} 40 06 01 00 c0 08 00`),
      '0 announced, 1 withdrawn; attribute-discard 6, treat-as-withdraw 8',
    ],
    [
      'routes withdrawn beside routes in doubt',
      update(`40 01 01 03 ${asPath} ${nextHop}`, route, route),
      '0 announced, 2 withdrawn; treat-as-withdraw 1',
    ],
    [
      'routes of a family nobody asked for',
      update(`${origin} ${asPath} 80 0e 09 0001 85 04 c0000201 00`, ''),
      '0 announced, 0 withdrawn',
    ],
  ]
  for (const [name, bytes, expected, context = external] of rows) {
    test(name, () => expect(outcome(bytes, context)).toBe(expected))
  }

  test('the NOTIFICATION carries the attribute that caused it', () => {
    const decoded = decodeUpdate(update(`${good} 40 63 02 abcd`), external)
    expect(decoded).toEqual({ ok: false, problem: { code: 3, subcode: 2, data: hex('40 63 02 abcd') } })
  })
})

test('no bytes make the decoder throw, not even an UPDATE with one octet changed', () => {
  const whole = update(`${mpReach} ${good} 80 04 04 00000001 c0 08 04 00000001`, route, route)
  const damaged = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length))
    .map(([index, octet, end]) => whole.with(index, octet).subarray(0, end))
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), fc.boolean(), (bytes, isInternal) => {
      const decoded = decodeUpdate(bytes, { fourOctetAs: true, internal: isInternal })
      expect(decoded.ok || decoded.problem.code === 3).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test('a thousand routes of junk in one message are read and leave nothing behind', () => {
  const nlri = joinOctets(Array.from({ length: 1000 }, (_, index) => Uint8Array.of(24, 10, index >> 8, index)))
  const decoded = decodeUpdate(joinOctets([update(good, ''), nlri]), external)
  expect(decoded.ok && decoded.value.update.nlri.length).toBe(1000)
})
