import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Layer2Advertisement } from '../crds/config.ts'
import type { Service, ServiceEndpoints } from '../kube/service.ts'
import { type Standing, settledConditionOf } from '../kube/settled.ts'
import { elect } from './layer2/election.ts'
import type { Reluctance } from './layer2/facts.ts'
import { groupsOf, leftOut } from './layer2/groups.ts'
import type { Liveness } from './layer2/membership.ts'
import { formatBecause, type OwnershipRecord, type Published, recordKey, recordName } from './layer2/record.ts'
import { plan } from './plan.ts'
import type { Refusal } from './refusal.ts'
import type { RoutingVerdict } from './routing/verdict.ts'
import { ownerOf, type Situation, type SpeakerAction, type WireState } from './situation.ts'
import { advertisement, announced, endpointsOn, member, node, service, survey } from './test-values.ts'

type Claim = NonNullable<OwnershipRecord['claim']>

interface World {
  readonly services: readonly { readonly service: Service; readonly endpoints: ServiceEndpoints }[]
  readonly nodes?: readonly string[]
  readonly liveness?: Readonly<Record<string, Liveness>>
  readonly reluctance?: Readonly<Record<string, Reluctance>>
  readonly records?: readonly OwnershipRecord[]
  readonly advertisements?: readonly Layer2Advertisement[]
}

/** The situation of one speaker in a world that all see alike. */
function situation(self: string, world: World, own: Partial<Situation> = {}): Situation {
  const names = world.nodes ?? ['a', 'b', 'c']
  const members = names
    .filter(name => world.liveness?.[name] !== undefined || world.liveness === undefined)
    .map(name => {
      const reluctance = world.reluctance?.[name]
      return member(name, { liveness: world.liveness?.[name] ?? 'alive', ...(reluctance && { reluctance }) })
    })
  const { advertisements } = world
  const where = survey({ nodes: names.map(name => node(name)), members, ...(advertisements && { advertisements }) })
  const results = world.services.map(({ service, endpoints }) => ({
    service,
    result: where.advertisementsFor(service, endpoints),
  }))
  const groups = groupsOf(results.flatMap(({ result }) => (result?.kind === 'offered' ? [result] : [])))
  const refused = results.flatMap(({ service, result }): { service: Service; refusal: Refusal }[] => {
    if (result?.kind === 'offered') return []
    return [{ service, refusal: result?.refusal ?? { kind: 'NoAddress' } }]
  })
  const records = new Map((world.records ?? []).map(record => [record.key, record]))
  const contests = groups.map(({ key, candidates, ...group }) => ({
    key,
    candidates,
    owner: ownerOf({ key, candidates, ...group }, records),
  }))
  const verdicts = elect(contests)
  return {
    self,
    members: where.members,
    groups,
    verdicts,
    refused: [...refused, ...leftOut(groups, verdicts)],
    records,
    beside: () => ({ routing: undefined, unadvertised: [] }),
    wire: new Map(),
    seen: new Map(),
    rivals: new Map(),
    ripe: () => true,
    stopping: false,
    ...own,
  }
}

function record(of: Service, claim: Claim | undefined, published?: Published): OwnershipRecord {
  const name = recordName(of)
  return {
    key: recordKey(of),
    namespace: of.namespace,
    name,
    uid: `${name}-record`,
    resourceVersion: '7',
    claim,
    published,
  }
}

function claimed(by: string, because: Claim['because'] = 'first', from?: string): Claim {
  return { node: by, because, from }
}

const onWire = (announcedOn: readonly string[] | undefined = ['eth0']): WireState => ({ told: 'all', announcedOn })
const says = (by: string, ...addresses: string[]): Published => ({ node: by, addresses, interfaces: ['eth0'] })

const web = service('web', ['192.0.2.1'])
const happy = service('web', ['192.0.2.1'], {
  conditions: announced('True', 'Announced', 'layer 2: announcing 192.0.2.1 from node a on eth0'),
})
const ready = endpointsOn('z')

function kinds(actions: readonly SpeakerAction[]): string[] {
  return actions.map(action => action.kind)
}

test.each([
  { reluctance: { kind: 'drained', by: 'cordon' }, because: 'ownerDrained' },
  { reluctance: { kind: 'proxyUnhealthy' }, because: 'ownerProxyUnhealthy' },
] as const)(
  'what a node hands over that is $reluctance.kind is claimed for that reason, and it answers until then',
  ({ reluctance, because }) => {
    const world = {
      nodes: ['a', 'b'],
      services: [{ service: web, endpoints: ready }],
      records: [record(web, claimed('a'), says('a', '192.0.2.1'))],
      reluctance: { a: reluctance },
    }
    expect(plan(situation('b', world))).toMatchObject([{ kind: 'claim', claim: { node: 'b', because, from: 'a' } }])
    expect(plan(situation('a', world, { wire: new Map([['192.0.2.1', onWire()]]) }))).toEqual([])
  },
)

describe('an address that three nodes share', () => {
  const advertisements = [advertisement('shared', { loadSharing: 'perClient' })]
  const world = { services: [{ service: web, endpoints: ready }], advertisements }
  const owned = { ...world, records: [record(web, claimed('a'))] }
  const announcement = (self: string, ...nodes: string[]) => {
    return [{ address: '192.0.2.1', interfaces: 'all', sharing: { self, nodes } }]
  }
  const onWireOf = (...sharers: string[]) => new Map([['192.0.2.1', { ...onWire(), sharers }]])
  const shared: Published = { ...says('a', '192.0.2.1'), sharers: ['a', 'b', 'c'] }

  test('is claimed by one of them, and until then answered for by none', () => {
    const all = ['a', 'b', 'c'].map(self => plan(situation(self, world)))
    expect(all.flatMap(kinds)).toEqual(['claim'])
  })

  test('is then answered for by each, who knows the others', () => {
    for (const self of ['a', 'b', 'c']) {
      expect(plan(situation(self, owned))).toMatchObject([
        { kind: 'announce', announcements: announcement(self, 'a', 'b', 'c') },
      ])
    }
  })

  test('stands in record and condition with all that share it', () => {
    expect(plan(situation('a', owned, { wire: onWireOf('a', 'b', 'c') }))).toMatchObject([
      { kind: 'publish', published: shared },
      { condition: { message: expect.stringContaining('from node a on eth0, clients shared with nodes b, c') } },
    ])
    expect(plan(situation('b', owned, { wire: onWireOf('a', 'b', 'c') }))).toEqual([])
  })

  test('of which one dies goes on with the others, who are told; so it does when that one spoke for all', () => {
    const wire = onWireOf('a', 'b', 'c')
    const records = [record(web, claimed('a'), shared)]
    const withoutC = { ...world, records, liveness: { a: 'alive', b: 'alive', c: 'gone' } } as const
    expect(plan(situation('b', withoutC, { wire }))).toMatchObject([{ announcements: announcement('b', 'a', 'b') }])
    const withoutA = { ...world, records, liveness: { a: 'gone', b: 'alive', c: 'alive' } } as const
    const [b, c] = ['b', 'c'].map(self => plan(situation(self, withoutA, { wire })))
    expect(b).toMatchObject([
      { announcements: announcement('b', 'b', 'c') },
      ...(kinds(b ?? []).length > 1 ? [{}] : []),
    ])
    expect(c).toMatchObject([
      { announcements: announcement('c', 'b', 'c') },
      ...(kinds(c ?? []).length > 1 ? [{}] : []),
    ])
    expect([...kinds(b ?? []), ...kinds(c ?? [])].filter(kind => kind === 'claim')).toHaveLength(1)
  })

  test('goes to one node when it is not to be shared any more: the others stop when that one has said so', () => {
    const wire = onWireOf('a', 'b', 'c')
    const alone = { services: world.services, records: [record(web, claimed('a'), shared)] }
    expect(plan(situation('a', alone, { wire }))[0]).toEqual({
      kind: 'announce',
      group: '192.0.2.1',
      announcements: [{ address: '192.0.2.1', interfaces: 'all' }],
      because: 'kept',
    })
    expect(plan(situation('b', alone, { wire }))).toMatchObject([
      { kind: 'withdraw', because: { kind: 'handedOver', to: 'a' } },
    ])
  })
})

describe('a Service that this node wins', () => {
  const only = { nodes: ['a'], services: [{ service: web, endpoints: ready }] }

  test('is claimed before anything is said on the wire', () => {
    expect(plan(situation('a', only))).toEqual([
      { kind: 'claim', service: web, record: undefined, claim: { node: 'a', because: 'first', from: undefined } },
    ])
  })

  test('is announced once the claim is ours', () => {
    const records = [record(web, claimed('a'))]
    expect(plan(situation('a', { ...only, records }))).toEqual([
      {
        kind: 'announce',
        group: '192.0.2.1',
        announcements: [{ address: '192.0.2.1', interfaces: 'all' }],
        because: 'kept',
      },
    ])
  })

  test('has a condition that says so where none of our interfaces can be used, once that lasts', () => {
    const records = [record(web, claimed('a'))]
    const wire = new Map([['192.0.2.1', onWire([])]])
    expect(plan(situation('a', { ...only, records }, { wire, ripe: () => false }))).toEqual([])
    expect(plan(situation('a', { ...only, records }, { wire }))).toMatchObject([
      { kind: 'setCondition', condition: { status: 'False', reason: 'InterfaceUnusable' }, event: { type: 'Warning' } },
    ])
  })

  test('is published, told in an Event and in the condition once the segment knows', () => {
    const records = [record(web, claimed('a'))]
    const wire = new Map([['192.0.2.1', onWire()]])
    const silent = new Map([['192.0.2.1', { told: 'all', announcedOn: undefined } as const]])
    expect(plan(situation('a', { ...only, records }, { wire: silent }))).toEqual([])
    const [publish, condition, ...more] = plan(situation('a', { ...only, records }, { wire }))
    expect(more).toEqual([])
    expect(publish).toMatchObject({
      kind: 'publish',
      published: { node: 'a', addresses: ['192.0.2.1'], interfaces: ['eth0'] },
      event: {
        type: 'Normal',
        reason: 'Announcing',
        note: 'announcing 192.0.2.1 from node a on eth0; nobody announced it before',
      },
    })
    expect(condition).toMatchObject({
      kind: 'setCondition',
      condition: { status: 'True', message: 'layer 2: announcing 192.0.2.1 from node a on eth0' },
      event: undefined,
    })
  })

  test('needs nothing more when all that is done', () => {
    const records = [record(happy, claimed('a'), says('a', '192.0.2.1'))]
    const world = { nodes: ['a'], services: [{ service: happy, endpoints: ready }], records }
    expect(plan(situation('a', world, { wire: new Map([['192.0.2.1', onWire()]]) }))).toEqual([])
  })

  test('is announced and claimed at once where its owner is gone', () => {
    const records = [record(web, claimed('b'), says('b', '192.0.2.1'))]
    const world = { ...only, nodes: ['a', 'b'], records, liveness: { a: 'alive', b: 'gone' } } as const
    const actions = plan(situation('a', world))
    expect(kinds(actions)).toEqual(['announce', 'claim'])
    expect(actions[1]).toMatchObject({ claim: { node: 'a', because: 'ownerGone', from: 'b' } })
  })

  test('is claimed from an owner that nobody hears any more in these words', () => {
    const before = situation('a', {
      ...only,
      nodes: ['a', 'b'],
      records: [record(web, claimed('b'), says('b', '192.0.2.1'))],
      liveness: { a: 'alive', b: 'gone' },
    })
    const members = new Map([...before.members, ['b', member('b', { liveness: 'gone', unheard: true })] as const])
    const claim = plan({ ...before, members }).find(action => action.kind === 'claim')?.claim
    expect(claim).toEqual({ node: 'a', because: 'ownerUnheard', from: 'b' })
    expect(claim && formatBecause(claim)).toBe('the speakers that watch b no longer heard it')
  })

  test('is claimed but not announced yet where its owner is leaving', () => {
    const records = [record(web, claimed('b'), says('b', '192.0.2.1'))]
    const world = { ...only, nodes: ['a', 'b'], records, liveness: { a: 'alive', b: 'leaving' } } as const
    const actions = plan(situation('a', world))
    expect(kinds(actions)).toEqual(['claim'])
    expect(actions[0]).toMatchObject({ claim: { node: 'a', because: 'ownerLeaving', from: 'b' } })
  })

  test('for no better reason than the spread is left alone until the time is ripe', () => {
    const services = [1, 2, 3].map(last => ({ service: service(`s${last}`, [`192.0.2.${last}`]), endpoints: ready }))
    const records = services.map(({ service }) => record(service, claimed('b')))
    const world = { nodes: ['a', 'b'], services, records }
    expect(plan(situation('a', world, { ripe: () => false }))).toEqual([])
    const actions = plan(situation('a', world))
    expect(kinds(actions)).toEqual(['claim'])
    expect(actions[0]).toMatchObject({ claim: { because: 'spread', from: 'b' } })
  })

  test('is told where it moved from and why', () => {
    const records = [record(web, claimed('a', 'ownerGone', 'b'), says('b', '192.0.2.1'))]
    const [publish] = plan(situation('a', { ...only, records }, { wire: new Map([['192.0.2.1', onWire()]]) }))
    expect(publish).toMatchObject({
      event: {
        reason: 'AnnouncementMoved',
        note: 'announcing 192.0.2.1 from node a on eth0; the speaker of b does not renew its Lease',
      },
    })
  })

  test('is not taken by a speaker that is stopping, which goes on with what it has', () => {
    expect(plan(situation('a', only, { stopping: true }))).toEqual([])
    const wire = new Map([['192.0.2.1', onWire()]])
    const records = [record(web, claimed('a'))]
    expect(plan(situation('a', { ...only, records }, { wire, stopping: true }))).toEqual([])
  })

  test('is not published while another station has its address; people are told whose it is', () => {
    const rival = { interface: 'eth0', mac: '02:00:00:00:00:09', node: undefined }
    const own = { wire: new Map([['192.0.2.1', onWire(undefined)]]), rivals: new Map([['192.0.2.1', rival]]) }
    own.wire.set('192.0.2.1', { told: 'all', announcedOn: undefined })
    const world = { nodes: ['a'], services: [{ service: web, endpoints: ready }], records: [record(web, claimed('a'))] }
    const [action, ...more] = plan(situation('a', world, own))
    expect(action).toMatchObject({ kind: 'setCondition', condition: { status: 'False', reason: 'AddressInUse' } })
    expect(action).toMatchObject({ condition: { message: expect.stringContaining('02:00:00:00:00:09 on eth0') } })
    expect(more).toEqual([])
  })

  describe('whose addresses are on trial', () => {
    const ipv4 = '192.0.2.1'
    const ipv6 = '2001:db8::1'
    const rival = { interface: 'eth0', mac: '02:00:00:00:00:09', node: undefined }
    const bgp: RoutingVerdict & { readonly kind: 'announced' } = {
      kind: 'announced',
      addresses: [ipv4, ipv6],
      nodes: ['a'],
      peers: ['tor'],
      established: true,
      disagreements: [],
      sharedRoutes: [],
    }
    const onTrial = (...standings: readonly Standing[]): Service => {
      const condition = settledConditionOf(standings)
      return service('web', [ipv4, ipv6], { conditions: condition ? [condition] : [] })
    }
    const both = onTrial({ kind: 'untried', address: ipv4 }, { kind: 'untried', address: ipv6 })
    const taken = { kind: 'inUse', address: ipv4, mac: rival.mac, interface: 'eth0' } as const
    /** What is said of them by the node that has it, to which a stranger answers for the IPv4 address. */
    const toldOf = (one: Service, of: OwnershipRecord, own: Partial<Situation> = {}): string | undefined => {
      const world = { nodes: ['a'], services: [{ service: one, endpoints: ready }], records: [of] }
      const wire = new Map([
        [ipv4, { told: 'all', announcedOn: undefined } as WireState],
        [ipv6, onWire()],
      ])
      const actions = plan(situation('a', world, { wire, rivals: new Map([[ipv4, rival]]), ...own }))
      return actions.flatMap(action =>
        action.kind === 'setCondition' ? (action.settled?.message ?? 'nothing') : [],
      )[0]
    }
    const first = record(both, claimed('a'))
    const inUse = `${ipv4} is in use by 02:00:00:00:00:09 on eth0; ${ipv6} has not been announced yet`

    test('is said to have one that is in use, where a stranger answers before anybody announced it', () => {
      expect(toldOf(both, first)).toBe(inUse)
    })

    test('is said no more of than that it is announced, once it is, whoever has it too', () => {
      const wire = new Map([ipv4, ipv6].map(text => [text, { ...onWire(), wasAnnounced: true }]))
      expect(toldOf(both, first, { wire })).toBe(`${ipv4} has been announced; ${ipv6} has been announced`)
      expect(toldOf(onTrial(taken), first, { wire })).toBe(`${ipv4} has been announced`)
    })

    test.for<[string, Service, OwnershipRecord, Partial<Situation>]>([
      ['nothing is said of them', onTrial(), first, {}],
      ['it was announced', onTrial({ kind: 'announced', address: ipv4 }), first, {}],
      ['it is the kernel of a node', both, first, { rivals: new Map([[ipv4, { ...rival, node: 'b' }]]) }],
      ['another node had it before', both, record(both, claimed('a', 'ownerGone', 'b')), {}],
      [
        'BGP may announce it',
        both,
        first,
        { beside: () => ({ routing: { ...bgp, established: false }, unadvertised: [] }) },
      ],
    ])('is not said to have one that is in use where %s', ([, one, of, own]) => {
      expect(toldOf(one, of, own) ?? 'nothing').toBe('nothing')
    })

    test('is said to have announced what it announced before it was withheld, or before this speaker began', () => {
      const withheld = { told: 'all', announcedOn: undefined, wasAnnounced: true } as const
      const wire = new Map<string, WireState>([
        [ipv4, withheld],
        [ipv6, onWire()],
      ])
      const half = `${ipv4} has been announced; ${ipv6} has not been announced yet`
      expect(toldOf(both, first, { wire })).toBe(half)
      expect(toldOf(both, record(both, claimed('a'), says('a', ipv4)))).toBe(half)
    })

    test('is said to have announced what BGP announces, by the one who speaks for those that layer 2 leaves alone', () => {
      const beside = () => ({ routing: bgp, unadvertised: [] })
      const world = { nodes: ['a'], services: [{ service: both, endpoints: ready }], advertisements: [] }
      const [action] = plan(situation('a', world, { beside }))
      expect(action).toMatchObject({
        settled: { status: 'True', message: expect.stringContaining(`${ipv4} has been announced`) },
      })
    })
  })

  test('goes on being announced where another station has its address too; an Event tells it once', () => {
    const rival = { interface: 'eth0', mac: '02:00:00:00:00:09', node: 'b' }
    const own = { wire: new Map([['192.0.2.1', onWire()]]), rivals: new Map([['192.0.2.1', rival]]) }
    const records = [record(web, claimed('a'), says('a', '192.0.2.1'))]
    const world = (service: Service) => ({ nodes: ['a'], services: [{ service, endpoints: ready }], records })
    const [action] = plan(situation('a', world(web), own))
    expect(action).toMatchObject({
      kind: 'setCondition',
      condition: { status: 'True', message: expect.stringContaining('the kernel of node b') },
      event: { type: 'Warning', reason: 'AddressConflict', note: expect.stringContaining('strictARP') },
    })
    if (action?.kind !== 'setCondition') throw new Error('no condition')
    const told = { ...web, conditions: [{ ...action.condition, lastTransitionTime: '2026-01-01T00:00:00Z' }] }
    expect(plan(situation('a', world(told), own))).toEqual([])
  })
})

describe('a Service that another node has won', () => {
  const wire = new Map([['192.0.2.1', onWire()]])
  const world = (claim: Claim | undefined, published?: Published): World => ({
    nodes: ['a', 'b'],
    liveness: { a: 'leaving', b: 'alive' },
    services: [{ service: happy, endpoints: ready }],
    records: [record(happy, claim, published)],
  })

  test.each([
    { situation: 'has not claimed it', claim: claimed('a'), published: says('a', '192.0.2.1') },
    { situation: 'has claimed it only', claim: claimed('b'), published: says('a', '192.0.2.1') },
    { situation: 'has announced another of its addresses', claim: claimed('b'), published: says('b', '192.0.2.2') },
  ])('is answered for as before while that one $situation', ({ claim, published }) => {
    expect(plan(situation('a', world(claim, published), { wire }))).toEqual([])
  })

  test('is withdrawn when its record says that the other announces it', () => {
    expect(plan(situation('a', world(claimed('b'), says('b', '192.0.2.1')), { wire }))).toEqual([
      { kind: 'withdraw', addresses: ['192.0.2.1'], because: { kind: 'handedOver', to: 'b' } },
    ])
  })

  test("is withdrawn when the other's packets are seen, whatever the record says", () => {
    const own = { wire, seen: new Map([['192.0.2.1', 'b']]) }
    expect(plan(situation('a', world(claimed('a'), says('a', '192.0.2.1')), own))).toEqual([
      { kind: 'withdraw', addresses: ['192.0.2.1'], because: { kind: 'handedOver', to: 'b' } },
    ])
  })

  test('is not withdrawn for the packets of one that it should move to for the spread: only a claim does that', () => {
    const services = [1, 2, 3].map(last => ({ service: service(`s${last}`, [`192.0.2.${last}`]), endpoints: ready }))
    const all = services.map(({ service }, index) => ({
      ...record(service, claimed('a'), says('a', `192.0.2.${index + 1}`)),
    }))
    const everywhere = new Map(services.map((_, index) => [`192.0.2.${index + 1}`, onWire()]))
    const seen = new Map(services.map((_, index) => [`192.0.2.${index + 1}`, 'b']))
    const own = { wire: everywhere, seen, ripe: () => false }
    const spread = situation('a', { nodes: ['a', 'b'], services, records: all }, own)
    expect([...spread.verdicts.values()].map(({ because }) => because).sort()).toEqual(['kept', 'kept', 'spread'])
    expect(plan(spread).filter(({ kind }) => kind === 'withdraw')).toEqual([])
  })

  test('is announced by the node that the record names, restarted, until the one that it should move to claims it', () => {
    const services = [1, 2, 3].map(last => ({ service: service(`s${last}`, [`192.0.2.${last}`]), endpoints: ready }))
    const all = services.map(({ service }, index) => record(service, claimed('a'), says('a', `192.0.2.${index + 1}`)))
    const restarted = plan(situation('a', { nodes: ['a', 'b'], services, records: all }, { ripe: () => false }))
    const announced = restarted.flatMap(action => (action.kind === 'announce' ? action.announcements : []))
    expect(announced.map(({ address }) => address).sort()).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  })

  test('is written down by the node that took it over, though the one that had it is back and is to have it again', () => {
    const services = [1, 2, 3].map(last => ({ service: service(`s${last}`, [`192.0.2.${last}`]), endpoints: ready }))
    const all = services.map(({ service }, index) => record(service, claimed('a'), says('b', `192.0.2.${index + 1}`)))
    const everywhere = new Map(services.map((_, index) => [`192.0.2.${index + 1}`, onWire()]))
    const own = { wire: everywhere, ripe: () => false }
    const taken = situation('a', { nodes: ['a', 'b'], services, records: all }, own)
    expect([...taken.verdicts.values()].map(({ because }) => because)).toContain('spread')
    const published = plan(taken).flatMap(action => (action.kind === 'publish' ? [action.published.node] : []))
    expect(published).toEqual(['a', 'a', 'a'])
  })

  test('is withdrawn where another has it and it is only to be ours for the spread', () => {
    const services = [1, 2, 3].map(last => ({ service: service(`s${last}`, [`192.0.2.${last}`]), endpoints: ready }))
    const all = services.map(({ service }, index) => record(service, claimed('a'), says('a', `192.0.2.${index + 1}`)))
    const everywhere = new Map(services.map((_, index) => [`192.0.2.${index + 1}`, onWire()]))
    const own = { wire: everywhere, ripe: () => false }
    expect(plan(situation('b', { nodes: ['a', 'b'], services, records: all }, own))).toMatchObject([
      {
        kind: 'withdraw',
        addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
        because: { kind: 'handedOver', to: 'a' },
      },
    ])
  })

  test('is not withdrawn for the packets of one that is gone since', () => {
    const own = { wire, seen: new Map([['192.0.2.1', 'b']]) }
    const third = {
      ...world(claimed('b'), says('a', '192.0.2.1')),
      nodes: ['a', 'b', 'c'],
      liveness: { a: 'alive', b: 'gone', c: 'alive' },
    } as const
    for (const self of ['a', 'c']) {
      expect(plan(situation(self, third, own)).filter(({ kind }) => kind === 'withdraw')).toEqual([])
    }
  })

  test("is not withdrawn for a third one's packets", () => {
    const own = { wire, seen: new Map([['192.0.2.1', 'c']]) }
    expect(plan(situation('a', world(claimed('a'), says('a', '192.0.2.1')), own))).toEqual([])
  })
})

describe('a Service that nobody can announce', () => {
  const wire = new Map([['192.0.2.1', onWire()]])
  const records = [record(happy, claimed('b'), says('b', '192.0.2.1'))]
  const world = { services: [{ service: happy, endpoints: endpointsOn() }], records }

  test('is withdrawn at once, and only later loses its condition', () => {
    expect(kinds(plan(situation('b', world, { wire, ripe: () => false })))).toEqual(['withdraw'])
    expect(kinds(plan(situation('a', world, { ripe: () => false })))).toEqual([])
    expect(plan(situation('a', world))).toMatchObject([
      {
        kind: 'setCondition',
        condition: { status: 'False', reason: 'NoUsableEndpoints' },
        event: { type: 'Warning', reason: 'NotAnnounced' },
      },
    ])
  })

  test('is spoken for by the first speaker only', () => {
    expect(plan(situation('c', world))).toEqual([])
  })

  test('loses its record when its condition says why: by its owner, or by the first speaker where that is gone', () => {
    const { message } = {
      message: 'none of its endpoints is ready: nothing would answer, so no node announces its address',
    }
    const told = service('web', ['192.0.2.1'], { conditions: announced('False', 'NoUsableEndpoints', message) })
    const after = { ...world, services: [{ service: told, endpoints: endpointsOn() }] }
    expect(kinds(plan(situation('b', after)))).toEqual(['deleteRecord'])
    expect(kinds(plan(situation('a', after)))).toEqual([])
    expect(kinds(plan(situation('a', { ...after, liveness: { a: 'alive', b: 'gone' } })))).toEqual(['deleteRecord'])
  })

  test('is left alone where its address is in no pool and we never announced it', () => {
    const stranger = service('web', ['198.51.100.1'])
    expect(plan(situation('a', { services: [{ service: stranger, endpoints: ready }] }))).toEqual([])
    const ours = plan(
      situation('a', {
        services: [{ service: stranger, endpoints: ready }],
        records: [record(stranger, claimed('b'))],
      }),
    )
    expect(ours).toMatchObject([{ condition: { reason: 'NoAdvertisement' } }])
  })

  test('is told whose node its address is on, where those that it shares it with decide that', () => {
    const one = service('one', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    const two = service('two', ['192.0.2.1'], { externalTrafficPolicy: 'Local' })
    const services = [
      { service: one, endpoints: endpointsOn('b') },
      { service: two, endpoints: endpointsOn('c') },
    ]
    const records = [record(one, claimed('b'))]
    expect(plan(situation('a', { services, records }))).toMatchObject([
      {
        kind: 'setCondition',
        service: two,
        condition: {
          reason: 'SharedAddressElsewhere',
          message: 'its address is shared with shop/one and announced from node b, which cannot announce this Service',
        },
      },
    ])
  })
})

describe('a Service that MetalLB announces from here, and that is to be taken over', () => {
  const seed = record(web, claimed('b', 'migrated'))
  const notYet = { services: [{ service: web, endpoints: ready }], records: [seed], advertisements: [] }

  test('is left to it until an advertisement speaks for it', () => {
    for (const self of ['b', 'c']) expect(plan(situation(self, notYet))).toEqual([])
    // The spokesman says why, since the pool is ours.
    expect(kinds(plan(situation('a', notYet)))).toEqual(['setCondition'])
    const gone = { ...notYet, liveness: { a: 'alive', b: 'gone' } } as const
    expect(kinds(plan(situation('a', gone)))).toEqual(['setCondition'])
  })

  test('is then announced by the node that MetalLB announces it from, and by no other', () => {
    const now = { services: [{ service: web, endpoints: ready }], records: [seed] }
    expect(plan(situation('b', now))).toMatchObject([{ kind: 'announce', because: 'kept' }])
    for (const self of ['a', 'c']) expect(plan(situation(self, now))).toEqual([])
    const answering = situation('b', now, { wire: new Map([['192.0.2.1', onWire()]]) })
    expect(plan(answering)).toMatchObject([
      {
        kind: 'publish',
        event: { reason: 'Announcing', note: expect.stringContaining('MetalLB announced it from here') },
      },
      { kind: 'setCondition' },
    ])
  })

  test('is like any other from then on', () => {
    const taken = record(web, claimed('b', 'migrated'), says('b', '192.0.2.1'))
    const before = { ...notYet, services: [], records: [taken] }
    expect(kinds(plan(situation('b', before)))).toEqual(['deleteRecord'])
  })
})

describe('several speakers that see the same', () => {
  const names = ['a', 'b', 'c', 'd']
  type Step =
    | { readonly kind: 'turn'; readonly node: string }
    | { readonly kind: 'liveness'; readonly node: string; readonly liveness: Liveness }
    | { readonly kind: 'endpoints'; readonly service: number; readonly on: readonly string[] }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('turn' as const), node: fc.constantFrom(...names) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('liveness' as const),
        node: fc.constantFrom(...names),
        liveness: fc.constantFrom<Liveness>('alive', 'alive', 'leaving', 'gone'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('endpoints' as const),
        service: fc.nat(4),
        on: fc.subarray(names, { minLength: 1 }),
      }),
    },
  )

  /** What the API server checks by the resourceVersion. */
  function mustBeCurrent(read: OwnershipRecord | undefined, now: OwnershipRecord | undefined): void {
    if (read !== now) throw new Error('a write on the strength of an old version')
  }

  /** A cluster in which speakers take turns: each carries out its whole plan before the next. */
  function createCluster(packetsArrive: boolean) {
    const liveness: Record<string, Liveness> = Object.fromEntries(names.map(name => [name, 'alive']))
    let services = [1, 2, 3, 4, 5].map(last => ({
      service: service(`s${last}`, [`192.0.2.${last}`], { externalTrafficPolicy: last % 2 ? 'Local' : 'Cluster' }),
      endpoints: endpointsOn(...names),
    }))
    const records = new Map<string, OwnershipRecord>()
    const wires = new Map(names.map(name => [name, new Map<string, WireState>()]))
    const seen = new Map(names.map(name => [name, new Map<string, string>()]))
    let version = 0

    const put = (key: string, change: Partial<OwnershipRecord>, of: Service): void => {
      const before = records.get(key) ?? record(of, undefined)
      records.set(key, { ...before, ...change, resourceVersion: `${++version}` })
    }
    const carryOut = (self: string, action: SpeakerAction): void => {
      const wire = wires.get(self)
      switch (action.kind) {
        case 'announce':
          for (const { address, interfaces } of action.announcements) {
            wire?.set(address, { told: interfaces, announcedOn: ['eth0'] })
            if (packetsArrive) for (const name of names) if (name !== self) seen.get(name)?.set(address, self)
          }
          break
        case 'withdraw':
          for (const address of action.addresses) {
            wire?.delete(address)
            seen.get(self)?.delete(address)
          }
          break
        case 'claim':
          mustBeCurrent(action.record, records.get(recordKey(action.service)))
          put(recordKey(action.service), { claim: action.claim }, action.service)
          break
        case 'publish':
          mustBeCurrent(action.record, records.get(action.record.key))
          put(action.record.key, { published: action.published }, action.service)
          break
        case 'deleteRecord':
          records.delete(action.record.key)
          break
        case 'setCondition':
          services = services.map(one =>
            one.service.key === action.service.key
              ? { ...one, service: { ...one.service, conditions: [action.condition] } }
              : one,
          )
      }
    }
    const planOf = (self: string) => {
      const world = { nodes: names, liveness, services, records: [...records.values()] }
      const own = {
        wire: wires.get(self) ?? new Map(),
        seen: seen.get(self) ?? new Map(),
        stopping: liveness[self] === 'leaving',
      }
      return plan(situation(self, world, own))
    }
    return {
      turn(self: string): number {
        if (liveness[self] === 'gone') return 0
        const actions = planOf(self)
        for (const action of actions) carryOut(self, action)
        return actions.length
      },
      set(self: string, to: Liveness): void {
        liveness[self] = to
        if (to !== 'gone') return
        wires.get(self)?.clear()
        seen.get(self)?.clear()
      },
      setEndpoints(index: number, on: readonly string[]): void {
        services = services.map((one, at) => (at === index ? { ...one, endpoints: endpointsOn(...on) } : one))
      },
      claimant: (index: number) => records.get(`shop/s${index + 1}-s${index + 1}-uid`)?.claim?.node,
      answerers: (address: string) => names.filter(name => wires.get(name)?.has(address)),
      eligible: (index: number) =>
        names.filter(name => {
          const { service, endpoints } = services[index] ?? { service: web, endpoints: ready }
          return (
            liveness[name] === 'alive' &&
            (service.externalTrafficPolicy === 'Cluster' || endpoints.usableByNode.has(name))
          )
        }),
      addresses: services.map(({ service }) => service.ingress).map((_, index) => `192.0.2.${index + 1}`),
      settle(): void {
        for (let round = 0; round < 20; round++) {
          if (names.reduce((sum, name) => sum + this.turn(name), 0) === 0) return
        }
        throw new Error('the speakers do not come to rest')
      },
      liveness,
    }
  }

  test('end with one answerer for each address, and with nothing left to do, whatever happened', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, packetsArrive) => {
        const cluster = createCluster(packetsArrive)
        for (const one of steps) take(cluster, one)
        cluster.settle()
        for (const [index, address] of cluster.addresses.entries()) {
          const [owner, ...others] = cluster.answerers(address)
          const eligible = cluster.eligible(index)
          expect(others).toEqual([])
          expect(eligible.length === 0 ? owner === undefined : eligible.includes(owner ?? '')).toBe(true)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('never leave an address without an answerer while its owner lives, and never give it two owners', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, packetsArrive) => {
        const cluster = createCluster(packetsArrive)
        cluster.settle()
        for (const one of steps) {
          const before = cluster.addresses.map(address => cluster.answerers(address))
          take(cluster, one)
          for (const [index, address] of cluster.addresses.entries()) {
            const now = cluster.answerers(address)
            const survivors = before[index]?.filter(name => cluster.liveness[name] !== 'gone') ?? []
            // Somebody who answered still lives, and somebody may: then somebody answers.
            expect(survivors.length > 0 && cluster.eligible(index).length > 0 ? now.length : 1).toBeGreaterThan(0)
            // Whoever begins to answer has the claim, which only one can have.
            const begun = now.filter(name => !before[index]?.includes(name))
            expect(begun.filter(name => name !== cluster.claimant(index))).toEqual([])
          }
        }
      }),
      { numRuns: 150 },
    )
  })

  function take(cluster: ReturnType<typeof createCluster>, one: Step): void {
    switch (one.kind) {
      case 'turn':
        cluster.turn(one.node)
        break
      case 'liveness':
        cluster.set(one.node, one.liveness)
        break
      case 'endpoints':
        cluster.setEndpoints(one.service, one.on)
    }
  }
})

describe('a Service that BGP announces', () => {
  const heard: RoutingVerdict = {
    kind: 'announced',
    addresses: ['192.0.2.1'],
    nodes: ['a', 'b'],
    peers: ['r1'],
    established: true,
    disagreements: [],
    sharedRoutes: [],
  }
  const unheard: RoutingVerdict = { ...heard, established: false }
  const message = 'BGP: nodes a, b announce 192.0.2.1 to peer r1'
  const refusal: Refusal = {
    kind: 'NoAdvertisement',
    addresses: [{ address: '192.0.2.1', pool: 'lan', passedBy: [] }],
  }

  /** What node `self` does where layer 2 has nothing to do with the Service. */
  function told(self: string, of: Service, routing: RoutingVerdict, more: Partial<Situation> = {}) {
    const beside = () => ({ routing, unadvertised: [] })
    return plan(situation(self, { services: [] }, { refused: [{ service: of, refusal }], beside, ...more }))
  }

  test('is said to be so at once, by one speaker for all, with an Event', () => {
    expect(told('a', web, heard, { ripe: () => false })).toEqual([
      {
        kind: 'setCondition',
        service: web,
        condition: { type: 'berth.dev/Announced', status: 'True', reason: 'Announced', message },
        event: { type: 'Normal', reason: 'Announcing', note: message },
      },
    ])
    expect(told('b', web, heard)).toEqual([])
  })

  test('is said to be so once', () => {
    const known = service('web', ['192.0.2.1'], { conditions: announced('True', 'Announced', message) })
    expect(told('a', known, heard)).toEqual([])
    const other = service('web', ['192.0.2.1'], { conditions: announced('True', 'Announced', 'BGP: another node') })
    expect(told('a', other, heard, { ripe: () => false })).toMatchObject([{ kind: 'setCondition', event: undefined }])
  })

  test('has a condition that says so when no session stands, once that lasts', () => {
    const known = service('web', ['192.0.2.1'], { conditions: announced('True', 'Announced', message) })
    expect(told('a', known, unheard, { ripe: key => key !== 'session shop/web' })).toEqual([])
    expect(told('a', known, unheard, { ripe: key => key === 'session shop/web' })).toMatchObject([
      { condition: { status: 'False', reason: 'NoEstablishedSession' }, event: { reason: 'NotAnnounced' } },
    ])
  })

  test('is no longer said to be so when it has lost its address', () => {
    const bare = service('web', [], { conditions: announced('True', 'Announced', message) })
    const beside = () => ({ routing: undefined, unadvertised: [] })
    const refused = [{ service: bare, refusal: { kind: 'NoAddress' } as const }]
    expect(plan(situation('a', { services: [] }, { refused, beside }))).toMatchObject([
      { kind: 'setCondition', condition: { status: 'False', reason: 'NoAddress' } },
    ])
    const untold = [{ service: service('web', []), refusal: { kind: 'NoAddress' } as const }]
    expect(plan(situation('a', { services: [] }, { refused: untold, beside }))).toEqual([])
  })

  test('loses its record of layer 2 when nobody asks for that any more, once its condition says BGP', () => {
    const records = new Map([[recordKey(web), record(web, claimed('a'), says('a', '192.0.2.1'))]])
    expect(kinds(told('a', happy, heard, { records }))).toEqual(['setCondition'])
    const known = service('web', ['192.0.2.1'], { conditions: announced('True', 'Announced', message) })
    expect(kinds(told('a', known, heard, { records }))).toEqual(['deleteRecord'])
  })

  test('and layer 2 cannot for the moment, keeps its condition until that lasts', () => {
    const blink = [{ service: happy, refusal: { kind: 'NoEligibleNode', nodes: [] } as const }]
    const beside = () => ({ routing: heard, unadvertised: [] })
    const own = { refused: blink, beside }
    expect(plan(situation('a', { services: [] }, { ...own, ripe: () => false }))).toEqual([])
    expect(plan(situation('a', { services: [] }, own))).toMatchObject([
      {
        condition: {
          status: 'True',
          message: `${message}; not at layer 2: no node can announce it: the cluster has no nodes`,
        },
      },
    ])
  })

  test('and layer 2 cannot for the moment, is said to be so at once where nobody knows yet', () => {
    const refused = [{ service: web, refusal: { kind: 'NoEligibleNode', nodes: [] } as const }]
    const beside = () => ({ routing: heard, unadvertised: [] })
    expect(plan(situation('a', { services: [] }, { refused, beside, ripe: () => false }))).toMatchObject([
      { condition: { status: 'True' }, event: { reason: 'Announcing' } },
    ])
  })

  test('and that this node has won at layer 2, is told of both ways by this node', () => {
    const records = [record(web, claimed('a'), { ...says('a', '192.0.2.1'), interfaces: ['eth0'] })]
    const world = { nodes: ['a'], services: [{ service: happy, endpoints: ready }], records }
    const wire = new Map([['192.0.2.1', onWire()]])
    const beside = () => ({ routing: heard, unadvertised: [] })
    expect(plan(situation('a', world, { wire, beside }))).toMatchObject([
      {
        kind: 'setCondition',
        condition: { message: `layer 2: announcing 192.0.2.1 from node a on eth0; ${message}` },
        event: undefined,
      },
    ])
  })
})
