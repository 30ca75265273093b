import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { IPAddressPool } from '../crds/config.ts'
import { type Address, formatAddress, type IpFamily } from '../net/address.ts'
import { type AllocationRequest, allocate, type FamilyWish, type PoolObjection, type PoolVerdict } from './allocator.ts'
import { createLedger, type Grant, type Ledger } from './ledger.ts'
import { namespacesFrom, type PoolBook } from './pool-choice.ts'
import { mayShare, type SharingClaim } from './sharing.ts'
import { address, labelled, onlyFor, pool } from './test-values.ts'

const http: SharingClaim = { key: undefined, backends: 'Cluster', ports: [{ protocol: 'TCP', port: 80 }] }
const four: FamilyWish = { kind: 'one', family: 'IPv4' }
const station = { mac: '02:00:00:00:00:66', interface: 'eth0', seenAtMs: 0 }
const namespaces = namespacesFrom(
  new Map([
    ['default', {}],
    ['shop', { team: 'shop' }],
  ]),
)

function request(more: Partial<AllocationRequest> = {}): AllocationRequest {
  return {
    service: 'default/web',
    namespace: 'default',
    labels: {},
    wish: four,
    addresses: [],
    pool: undefined,
    claim: http,
    ...more,
  }
}

function grant(service: Grant['service'], texts: readonly string[], claim: SharingClaim = http): Grant {
  return { service, uid: service, pool: 'a', addresses: texts.map(address), claim, published: true }
}

function ask(
  pools: readonly IPAddressPool[],
  more: Partial<AllocationRequest> = {},
  held: readonly Grant[] = [],
  book: Partial<PoolBook> = {},
) {
  const ledger = createLedger(pools)
  for (const one of held) ledger.hold(one)
  return allocate({ pools, setAside: [], ...book }, namespaces, ledger, request(more))
}

function addressesOf(answer: ReturnType<typeof ask>): string {
  return answer.kind === 'allocation' ? `${answer.pool}: ${answer.addresses.map(formatAddress).join(' ')}` : answer.kind
}

function objectionsOf(answer: ReturnType<typeof ask>): Readonly<Record<string, PoolObjection>> {
  const verdicts: readonly PoolVerdict[] = answer.kind === 'noPoolFits' ? answer.verdicts : []
  return Object.fromEntries(verdicts.map(verdict => [verdict.pool, verdict.objection]))
}

describe('a request that is refused', () => {
  it('names every pool and why it said no', () => {
    const pools = [
      pool('for-shop', ['192.0.2.0/28'], { serviceAllocation: onlyFor({ namespaces: ['shop'] }) }),
      pool('for-nobody', ['192.0.2.16/28'], {
        serviceAllocation: onlyFor({ namespaceSelectors: [labelled('team', 'gone')] }),
      }),
      pool('for-blue', ['192.0.2.32/28'], {
        serviceAllocation: onlyFor({ serviceSelectors: [labelled('colour', 'blue')] }),
      }),
      pool('on-request', ['192.0.2.48/28'], { autoAssign: false }),
      pool('six', ['2001:db8::/64']),
      pool('full', ['192.0.2.64/32']),
      pool('buggy', ['192.0.2.255-192.0.3.0'], { avoidBuggyIPs: true }),
    ]
    const setAside = [{ name: 'broken', reason: 'Invalid', message: 'spec.addresses[0] is not a range' }]
    const answer = ask(pools, {}, [grant('default/other', ['192.0.2.64'])], { setAside })
    expect(objectionsOf(answer)).toEqual({
      'for-shop': {
        kind: 'namespaceNotAdmitted',
        namespace: 'default',
        namespaces: ['shop'],
        selectors: [],
        selectorsMatchAny: false,
      },
      'for-nobody': {
        kind: 'namespaceNotAdmitted',
        namespace: 'default',
        namespaces: [],
        selectors: [labelled('team', 'gone')],
        selectorsMatchAny: false,
      },
      'for-blue': { kind: 'labelsNotSelected', selectors: [labelled('colour', 'blue')] },
      'on-request': { kind: 'autoAssignOff' },
      six: { kind: 'familyMissing', family: 'IPv4' },
      full: { kind: 'exhausted', family: 'IPv4', size: 1n, inUse: 1n, conflicting: 0n },
      buggy: { kind: 'exhausted', family: 'IPv4', size: 0n, inUse: 0n, conflicting: 0n },
      broken: { kind: 'setAside', reason: 'Invalid', message: 'spec.addresses[0] is not a range' },
    })
  })

  it.for<[string, Partial<AllocationRequest>, unknown]>([
    ['an unknown pool', { pool: 'nowhere' }, { kind: 'unknownPool', pool: 'nowhere', known: ['a'] }],
    [
      'one address for two families',
      { addresses: [address('192.0.2.1')], wish: { kind: 'both', primary: 'IPv4' } },
      { kind: 'familyMismatch' },
    ],
    ['an address of the other family', { addresses: [address('2001:db8::1')] }, { kind: 'familyMismatch' }],
    [
      'an address outside every pool',
      { addresses: [address('203.0.113.1')] },
      { verdicts: [{ pool: 'a', objection: { kind: 'addressOutside' } }] },
    ],
    [
      'an address that somebody holds',
      { addresses: [address('192.0.2.1')] },
      {
        verdicts: [
          {
            objection: {
              kind: 'addressHeld',
              holder: 'default/other',
              obstacles: [{ kind: 'noKey', holderKey: undefined }],
            },
          },
        ],
      },
    ],
    [
      'an address that sharers hold, with another key, policy and a port in common',
      { addresses: [address('192.0.2.2')], claim: { ...http, key: 'mine', backends: 'Local:app=web' } },
      {
        verdicts: [
          {
            objection: {
              kind: 'addressHeld',
              holder: 'default/sharer',
              obstacles: [
                { kind: 'key', own: 'mine', holderKey: 'ours' },
                { kind: 'policy', own: 'Local:app=web', holder: 'Cluster' },
                { kind: 'port', protocol: 'TCP', port: 80 },
              ],
            },
          },
        ],
      },
    ],
  ])('asks for %s', ([, more, expected]) => {
    const held = [
      grant('default/other', ['192.0.2.1']),
      grant('default/sharer', ['192.0.2.2'], { ...http, key: 'ours' }),
    ]
    expect(ask([pool('a', ['192.0.2.0/24', '2001:db8::/64'])], more, held)).toMatchObject(expected as object)
  })

  it('asks where there is no pool at all', () => {
    expect(ask([])).toEqual({ kind: 'noPools' })
  })

  it('asks for an address that avoidBuggyIPs rules out', () => {
    const answer = ask([pool('a', ['192.0.2.0/24'], { avoidBuggyIPs: true })], { addresses: [address('192.0.2.0')] })
    expect(objectionsOf(answer)).toEqual({ a: { kind: 'addressAvoided', address: address('192.0.2.0') } })
  })
})

describe('a request that is granted', () => {
  const two: readonly IPAddressPool[] = [
    pool('a', ['192.0.2.8/31', '192.0.2.0/31']),
    pool('b', ['198.51.100.0/30', '2001:db8::/126']),
    pool('c', ['2001:db8:1::/126']),
  ]
  const preferBoth: FamilyWish = { kind: 'preferBoth', primary: 'IPv4' }

  it.for<[string, string, Partial<AllocationRequest>, readonly Grant[]]>([
    ['takes the lowest address of the first range listed', 'a: 192.0.2.8', {}, []],
    ['goes on to the next range', 'a: 192.0.2.0', {}, [grant('x/1', ['192.0.2.8']), grant('x/2', ['192.0.2.9'])]],
    ['comes back to what was freed', 'a: 192.0.2.8', {}, [grant('x/2', ['192.0.2.9']), grant('x/3', ['192.0.2.0'])]],
    [
      'takes both families of one pool rather than one of an earlier',
      'b: 198.51.100.0 2001:db8::',
      { wish: preferBoth },
      [],
    ],
    ['puts the primary family first', 'b: 2001:db8:: 198.51.100.0', { wish: { kind: 'both', primary: 'IPv6' } }, []],
    [
      'takes the primary family alone where no pool has both left',
      'a: 192.0.2.8',
      { wish: preferBoth },
      ['0', '1', '2', '3'].map(end => grant(`x/${end}`, [`198.51.100.${end}`])),
    ],
    [
      'takes the other family where nothing of the primary is left',
      'b: 2001:db8::',
      { wish: preferBoth },
      [
        '192.0.2.8',
        '192.0.2.9',
        '192.0.2.0',
        '192.0.2.1',
        '198.51.100.0',
        '198.51.100.1',
        '198.51.100.2',
        '198.51.100.3',
      ].map((text, index) => grant(`x/${index}`, [text])),
    ],
    ['takes the pool that is asked for', 'c: 2001:db8:1::', { pool: 'c', wish: { kind: 'one', family: 'IPv6' } }, []],
    [
      'takes the addresses that are asked for',
      'b: 198.51.100.3 2001:db8::3',
      { wish: preferBoth, addresses: [address('2001:db8::3'), address('198.51.100.3')] },
      [],
    ],
    [
      'joins the lowest address that it may share before it takes a free one behind it',
      'a: 192.0.2.8',
      { claim: { ...http, key: 'k', ports: [{ protocol: 'TCP', port: 443 }] } },
      [grant('x/1', ['192.0.2.8'], { ...http, key: 'k' })],
    ],
    [
      'takes a free address before one that it may share behind it',
      'a: 192.0.2.8',
      { claim: { ...http, key: 'k', ports: [{ protocol: 'TCP', port: 443 }] } },
      [grant('x/1', ['192.0.2.9'], { ...http, key: 'k' })],
    ],
  ])('%s', ([, expected, more, held]) => {
    expect(addressesOf(ask(two, more, held))).toBe(expected)
  })

  it('may use a pool with autoAssign off when it asks for the pool or for an address of it', () => {
    const pools = [pool('a', ['192.0.2.0/30'], { autoAssign: false })]
    expect(addressesOf(ask(pools, { pool: 'a' }))).toBe('a: 192.0.2.0')
    expect(addressesOf(ask(pools, { addresses: [address('192.0.2.3')] }))).toBe('a: 192.0.2.3')
  })

  it('finds the next address of a /12 and of a /48 behind the many that are taken', () => {
    const big = pool('big', ['10.64.0.0/12', '2001:db8::/48'], { avoidBuggyIPs: true })
    const ledger = createLedger([big])
    const six: FamilyWish = { kind: 'one', family: 'IPv6' }
    for (let index = 0; index < 20_000; index++) {
      const wish = index % 2 === 0 ? four : six
      const answer = allocate({ pools: [big], setAside: [] }, namespaces, ledger, request({ wish }))
      if (answer.kind === 'allocation') ledger.hold({ ...grant(`x/${index}`, []), addresses: answer.addresses })
    }
    const next = allocate({ pools: [big], setAside: [] }, namespaces, ledger, request())
    // 39 blocks of 254 addresses are full: .0 and .255 were never given out.
    expect(addressesOf(next)).toBe(`big: 10.64.39.${10_000 - 39 * 254 + 1}`)
  })
})

// --- The same answers as a model that walks through every address ----------------------------------------------------

const models = {
  pools: [
    pool('a', ['192.0.2.254-192.0.3.2', '192.0.2.0/30', '2001:db8::/126'], { avoidConflicts: true }),
    pool('b', ['198.51.100.252-198.51.101.1', '2001:db8:1::/127'], { avoidBuggyIPs: true }),
    pool('c', ['203.0.113.0/31'], { autoAssign: false }),
  ],
}

function* everyAddress(one: IPAddressPool, family: IpFamily): Generator<Address> {
  for (const range of one.ranges) {
    for (let value = range.first; range.family === family && value <= range.last; value++) {
      const isBuggy = family === 'IPv4' && (value % 256n === 0n || value % 256n === 255n)
      if (!(one.avoidBuggyIPs && isBuggy)) yield { family, value }
    }
  }
}

function naive(
  grants: readonly Grant[],
  taken: ReadonlySet<string>,
  wish: FamilyWish,
  claim: SharingClaim,
  poolName: string | undefined,
): string | undefined {
  const pick = (one: IPAddressPool, family: IpFamily): Address | undefined =>
    everyAddress(one, family).find(
      candidate =>
        !(one.avoidConflicts && taken.has(formatAddress(candidate))) &&
        grants.every(
          held =>
            !held.addresses.some(each => formatAddress(each) === formatAddress(candidate)) ||
            mayShare(claim, held.claim),
        ),
    )
  const primary = wish.kind === 'one' ? wish.family : wish.primary
  const other: IpFamily = primary === 'IPv4' ? 'IPv6' : 'IPv4'
  const tries: IpFamily[][] = {
    one: [[primary]],
    both: [[primary, other]],
    preferBoth: [[primary, other], [primary], [other]],
  }[wish.kind]
  for (const families of tries) {
    for (const one of models.pools) {
      if (poolName === undefined ? !one.autoAssign : one.name !== poolName) continue
      const picked = families.map(family => pick(one, family))
      if (picked.every(each => each !== undefined))
        return `${one.name}: ${picked.map(each => formatAddress(each)).join(' ')}`
    }
  }
  return undefined
}

describe('under any sequence of requests and releases', () => {
  const claim = fc.record({
    key: fc.constantFrom(undefined, 'k', 'k', 'k', 'k', 'l'),
    backends: fc.constantFrom('Cluster', 'Cluster', 'Cluster', 'Local:app=web'),
    ports: fc.constantFrom<SharingClaim['ports']>(
      [{ protocol: 'TCP', port: 80 }],
      [{ protocol: 'UDP', port: 80 }],
      [{ protocol: 'SCTP', port: 80 }],
      [{ protocol: 'SCTP', port: 443 }],
      [
        { protocol: 'TCP', port: 443 },
        { protocol: 'UDP', port: 443 },
      ],
    ),
  })
  const wish = fc.oneof(
    fc.record({ kind: fc.constant('one' as const), family: fc.constantFrom<IpFamily>('IPv4', 'IPv6') }),
    fc.record({
      kind: fc.constantFrom('both' as const, 'preferBoth' as const),
      primary: fc.constantFrom<IpFamily>('IPv4', 'IPv6'),
    }),
  )
  // Of the pool that avoids them, of one that does not, of none.
  const some = ['192.0.2.254', '192.0.3.0', '192.0.2.0', '2001:db8::', '2001:db8::1', '198.51.100.252', '203.0.113.9']
  const step = fc.record({
    service: fc.integer({ min: 0, max: 24 }),
    wish,
    claim,
    pool: fc.constantFrom(undefined, undefined, 'a', 'c'),
    releases: fc.boolean(),
    /** Another station turns out to have an address, or has had one long ago. */
    other: fc.option(fc.record({ address: fc.constantFrom(...some), comes: fc.boolean() }), { freq: 2 }),
  })

  it('answers as the model does, whatever other stations have', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const ledger: Ledger = createLedger(models.pools)
        const taken = new Map<string, Address>()
        for (const one of steps) {
          const service = `default/s${one.service}` as const
          ledger.release(service)
          if (one.other) {
            const other = address(one.other.address)
            if (one.other.comes) taken.set(one.other.address, other)
            else taken.delete(one.other.address)
            if (one.other.comes) ledger.avoid({ address: other, ...station })
            else ledger.retry(other)
          }
          if (one.releases) continue
          const more = { service, wish: one.wish, claim: one.claim, pool: one.pool }
          const answer = allocate({ pools: models.pools, setAside: [] }, namespaces, ledger, request(more))
          const expected = naive([...ledger.grants.values()], new Set(taken.keys()), one.wish, one.claim, one.pool)
          const isGranted = answer.kind === 'allocation'
          expect(isGranted ? addressesOf(answer) : undefined).toBe(expected)
          const considered = one.pool === undefined ? ['a', 'b', 'c'] : [one.pool]
          expect(Object.keys(objectionsOf(answer))).toEqual(isGranted ? [] : considered)
          if (isGranted) ledger.hold({ ...grant(service, [], one.claim), addresses: answer.addresses })
        }
        for (const each of models.pools) {
          for (const family of ['IPv4', 'IPv6'] as const) {
            const all = [...everyAddress(each, family)].map(formatAddress)
            const avoided = new Set(each.avoidConflicts ? [...taken.values()].map(formatAddress) : [])
            const held = new Set([...ledger.grants.values()].flatMap(({ addresses }) => addresses.map(formatAddress)))
            expect(ledger.usage(each.name, family)).toEqual(
              all.length === 0
                ? undefined
                : {
                    size: BigInt(all.length),
                    inUse: BigInt(all.filter(text => held.has(text)).length),
                    conflicting: BigInt(all.filter(text => avoided.has(text) && !held.has(text)).length),
                  },
            )
          }
        }
      }),
      { numRuns: 400, interruptAfterTimeLimit: 8_000 },
    )
  }, 20_000)
})
