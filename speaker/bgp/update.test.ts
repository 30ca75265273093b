import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Address, parseAddress } from '../../net/address.ts'
import { type AddressPrefix, parseRange, toPrefixes } from '../../net/range.ts'
import { sequence } from './as-path.ts'
import type { PathAttributes } from './attributes.ts'
import { decodeUpdate, encodeUpdate, endOfRib, endOfRibFamily, type Update } from './update.ts'

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const external = { fourOctetAs: true, internal: false }
const internal = { fourOctetAs: true, internal: true }

function address(text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(text)
  return parsed
}

function prefix(text: string): AddressPrefix {
  const range = parseRange(text)
  const [only] = 'problem' in range ? [] : toPrefixes(range)
  if (!only) throw new Error(text)
  return only
}

const basics: PathAttributes = { origin: 'IGP', asPath: sequence([64512]), nextHop: address('192.0.2.1') }

describe('an UPDATE', () => {
  const rows: readonly { name: string; update: Update; bytes: Uint8Array }[] = [
    {
      name: 'two routes of IPv4 with every attribute of RFC 4271',
      update: {
        withdrawn: [prefix('198.51.100.0/25')],
        attributes: {
          ...basics,
          multiExitDisc: 5,
          localPref: 100,
          atomicAggregate: true,
          aggregator: { as: 4200000000, address: address('192.0.2.9') },
        },
        nlri: [prefix('203.0.113.7/32'), prefix('0.0.0.0/0')],
      },
      bytes: hex(
        `0005 19 c6336400   0030
         40 01 01 00   40 02 06 02 01 0000fc00   40 03 04 c0000201   80 04 04 00000005   40 05 04 00000064
         40 06 00   c0 07 08 fa56ea00 c0000209
         20 cb007107 00`,
      ),
    },
    {
      name: 'communities of three kinds',
      update: {
        withdrawn: [],
        attributes: {
          ...basics,
          communities: [0xfc000064, 0xffff0000],
          extendedCommunities: [
            { kind: 'linkBandwidth', as: 64512, bytesPerSecond: 12500000, transitive: false },
            { kind: 'other', octets: hex('0002 fc00 00000001') },
          ],
          largeCommunities: [{ globalAdministrator: 4200000000, data1: 1, data2: 2 }],
        },
        nlri: [prefix('203.0.113.0/24')],
      },
      bytes: hex(
        `0000   0041
         40 01 01 00   40 02 06 02 01 0000fc00   40 03 04 c0000201   c0 08 08 fc000064 ffff0000
         c0 10 10 4004fc004b3ebc20 0002fc0000000001   c0 20 0c fa56ea00 00000001 00000002
         18 cb0071`,
      ),
    },
    {
      name: 'a route of IPv6 with a link-local next hop beside, in front of the other attributes',
      update: {
        withdrawn: [],
        attributes: {
          origin: 'INCOMPLETE',
          asPath: [],
          mpReach: {
            kind: 'unicast',
            family: 'IPv6',
            nextHop: address('2001:db8::1'),
            linkLocalNextHop: address('fe80::1'),
            nlri: [prefix('2001:db8:1::/48')],
          },
        },
        nlri: [],
      },
      bytes: hex(
        `0000   0036
         80 0e 2c 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 30 20010db80001
         40 01 01 02   40 02 00`,
      ),
    },
    {
      name: 'a route of IPv4 with a next hop of IPv6 (RFC 8950), and one of IPv6 gone',
      update: {
        withdrawn: [],
        attributes: {
          origin: 'IGP',
          asPath: [],
          mpReach: {
            kind: 'unicast',
            family: 'IPv4',
            nextHop: address('fe80::2'),
            nlri: [prefix('203.0.113.1/32')],
          },
          mpUnreach: { kind: 'unicast', family: 'IPv6', withdrawn: [prefix('2001:db8::5/128')] },
        },
        nlri: [],
      },
      bytes: hex(
        `0000   003b
         80 0e 1a 0001 01 10 fe800000000000000000000000000002 00 20 cb007101
         80 0f 14 0002 01 80 20010db8000000000000000000000005
         40 01 01 00   40 02 00`,
      ),
    },
    {
      name: 'what only reflectors send, and attributes unknown to Berth',
      update: {
        withdrawn: [],
        attributes: {
          ...basics,
          originatorId: 1,
          clusterList: [2, 3],
          unknown: [{ type: 99, transitive: false, value: hex('abcd') }],
        },
        nlri: [prefix('203.0.113.1/32')],
      },
      bytes: hex(
        `0000   002b
         40 01 01 00   40 02 06 02 01 0000fc00   40 03 04 c0000201
         80 09 04 00000001   80 0a 08 00000002 00000003   80 63 02 abcd   20 cb007101`,
      ),
    },
  ]
  for (const { name, update, bytes } of rows) {
    test(`${name}: bytes, value and bytes again, at any offset`, () => {
      expect(Buffer.from(encodeUpdate(update, internal)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'))
      const shifted = new Uint8Array([7, ...bytes]).subarray(1)
      expect(decodeUpdate(shifted, internal)).toEqual({ ok: true, value: { update, problems: [] } })
    })
  }

  test('an attribute of more than 255 octets has a length of two', () => {
    const communities = Array.from({ length: 64 }, (_, index) => index)
    const update = { withdrawn: [], attributes: { ...basics, communities }, nlri: [prefix('203.0.113.1/32')] }
    const bytes = encodeUpdate(update, external)
    expect(Buffer.from(bytes).toString('hex')).toContain('d0080100')
    expect(decodeUpdate(bytes, external)).toEqual({ ok: true, value: { update, problems: [] } })
  })

  test('bits behind a prefix’s length are cleared', () => {
    const decoded = decodeUpdate(hex('0004 17 cb0071 0000'), external)
    expect(decoded).toMatchObject({ value: { update: { withdrawn: [prefix('203.0.112.0/23')] } } })
  })

  test('End-of-RIB of each family is told from every other UPDATE', () => {
    expect(encodeUpdate(endOfRib('IPv4'), external)).toEqual(hex('0000 0000'))
    expect(encodeUpdate(endOfRib('IPv6'), external)).toEqual(hex('0000 0006 800f03 0002 01'))
    expect(endOfRibFamily(endOfRib('IPv4'))).toBe('IPv4')
    expect(endOfRibFamily(endOfRib('IPv6'))).toBe('IPv6')
    expect(endOfRibFamily({ ...endOfRib('IPv4'), withdrawn: [prefix('203.0.113.1/32')] })).toBeUndefined()
    const gone: PathAttributes = {
      mpUnreach: { kind: 'unicast', family: 'IPv6', withdrawn: [prefix('2001:db8::5/128')] },
    }
    expect(endOfRibFamily({ withdrawn: [], attributes: gone, nlri: [] })).toBeUndefined()
  })
})

function route(attributes: PathAttributes): Update {
  return { withdrawn: [], attributes: { ...basics, ...attributes }, nlri: [prefix('203.0.113.1/32')] }
}

describe('towards a speaker of two-octet AS numbers (RFC 6793)', () => {
  const old = { fourOctetAs: false, internal: false }
  test('a large AS number is AS_TRANS in the path and itself beside it, and comes back whole', () => {
    const update = route({
      asPath: sequence([4200000000, 64512]),
      aggregator: { as: 4200000001, address: address('192.0.2.9') },
    })
    const bytes = encodeUpdate(update, old)
    const text = Buffer.from(bytes).toString('hex')
    expect(text).toContain('40020602025ba0fc00')
    expect(text).toContain('c0110a0202fa56ea000000fc00')
    expect(text).toContain('c007065ba0c0000209')
    expect(decodeUpdate(bytes, old)).toEqual({ ok: true, value: { update, problems: [] } })
  })

  test('small AS numbers need nothing beside', () => {
    expect(Buffer.from(encodeUpdate(route({}), old)).toString('hex')).not.toContain('c011')
  })

  test('steps that old speakers added stand before the real path', () => {
    const bytes = hex(
      `0000 0023 40 01 01 00  40 02 08 02 03 fbff 5ba0 fc00  40 03 04 c0000201
       c0 11 0a 02 02 fa56ea00 0000fc00   20 cb007101`,
    )
    expect(decodeUpdate(bytes, old)).toMatchObject({
      value: { update: { attributes: { asPath: sequence([64511, 4200000000, 64512]) } } },
    })
  })

  test('an AS4_PATH longer than the path, or beside one that was aggregated since, does not count', () => {
    const longer = hex(
      '0000 001f 40 01 01 00  40 02 04 02 01 5ba0  40 03 04 c0000201 c0 11 0a 02 02 00000001 00000002 20 cb007101',
    )
    expect(decodeUpdate(longer, old)).toMatchObject({
      value: { update: { attributes: { asPath: sequence([23456]) } } },
    })
    const aggregated = hex(
      `0000 002f 40 01 01 00  40 02 04 02 01 5ba0  40 03 04 c0000201  c0 07 06 fc00 c0000209
       c0 11 06 02 01 00000001  c0 12 08 00000001 c0000209 20 cb007101`,
    )
    expect(decodeUpdate(aggregated, old)).toMatchObject({
      value: { update: { attributes: { asPath: sequence([23456]), aggregator: { as: 64512 } } } },
    })
  })

  test('AS 0 is nobody’s, and in AS4_PATH or AS4_AGGREGATOR costs only that', () => {
    const head = '40 01 01 00'
    const hop = '40 03 04 c0000201'
    const trans = '40 02 04 02 01 5ba0'
    const rows = [
      ['0000 0012', `40 02 04 02 01 0000 ${hop}`, 'treat-as-withdraw', 2],
      ['0000 001b', `${trans} ${hop} c0 07 06 0000 c0000209`, 'attribute-discard', 7],
      ['0000 001b', `${trans} ${hop} c0 11 06 02 01 00000000`, 'attribute-discard', 17],
      ['0000 001d', `${trans} ${hop} c0 12 08 00000000 c0000209`, 'attribute-discard', 18],
    ] as const
    for (const [lengths, rest, handling, type] of rows) {
      const decoded = decodeUpdate(hex(`${lengths} ${head} ${rest} 20 cb007101`), old)
      expect(decoded).toMatchObject({ ok: true, value: { problems: [{ handling, type }] } })
      const kept = decoded.ok ? decoded.value.update : undefined
      const isKept = handling === 'attribute-discard'
      expect(kept?.attributes).toEqual(isKept ? { ...basics, asPath: sequence([23456]) } : {})
      expect(kept?.nlri.length).toBe(isKept ? 1 : 0)
    }
  })

  test('a new speaker’s AS4_PATH counts for nothing', () => {
    const bytes = hex(
      '0000 001d 40 01 01 00  40 02 06 02 01 0000fc00  40 03 04 c0000201 c0 11 06 02 01 00000001 20 cb007101',
    )
    expect(decodeUpdate(bytes, external)).toEqual({
      ok: true,
      value: { update: { withdrawn: [], attributes: basics, nlri: [prefix('203.0.113.1/32')] }, problems: [] },
    })
  })
})

function prefixOf(family: 'IPv4' | 'IPv6', bits: number): fc.Arbitrary<AddressPrefix> {
  return fc
    .tuple(fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }), fc.nat(bits))
    .map(([value, length]): AddressPrefix => {
      const host = BigInt(bits - length)
      return { address: { family, value: (value >> host) << host }, length }
    })
}

test('any UPDATE survives its encoding', () => {
  const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const path = fc.array(
    fc.record({
      kind: fc.constantFrom('set' as const, 'sequence' as const),
      ases: fc.array(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 20 }),
    }),
    { maxLength: 3 },
  )
  const attributes = fc.record(
    {
      multiExitDisc: uint32,
      localPref: uint32,
      communities: fc.array(uint32, { minLength: 1, maxLength: 80 }),
      largeCommunities: fc.array(fc.record({ globalAdministrator: uint32, data1: uint32, data2: uint32 }), {
        minLength: 1,
        maxLength: 30,
      }),
      mpReach: fc.record({
        kind: fc.constant('unicast' as const),
        family: fc.constant('IPv6' as const),
        nextHop: fc.constant(address('2001:db8::1')),
        nlri: fc.array(prefixOf('IPv6', 128), { maxLength: 20 }),
      }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      attributes,
      path,
      fc.array(prefixOf('IPv4', 32), { maxLength: 50 }),
      fc.array(prefixOf('IPv4', 32), { maxLength: 50 }),
      (some, asPath, withdrawn, nlri) => {
        const update = { withdrawn, attributes: { ...basics, asPath, ...some }, nlri }
        expect(decodeUpdate(encodeUpdate(update, internal), internal)).toEqual({
          ok: true,
          value: { update, problems: [] },
        })
      },
    ),
    { numRuns: 150 },
  )
})
