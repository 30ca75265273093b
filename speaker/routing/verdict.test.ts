import { describe, expect, test } from 'vitest'
import type { Member } from '../layer2/membership.ts'
import { endpointsOn, member, service } from '../test-values.ts'
import { bgpAdvertisement, bgpPeer, type RoutingWorld, routingSurvey } from './test-routing.ts'
import { routingJudge } from './verdict.ts'

const web = service('web', ['192.0.2.1'])
const ready = endpointsOn('z')

/** The verdict on a Service of nodes a, b and c, with these speakers and sessions. */
function verdict(options: {
  readonly members: readonly Member[]
  readonly sessions?: readonly string[]
  readonly speakers?: readonly string[]
  readonly world?: RoutingWorld
}) {
  const { members, sessions = [], world, speakers = members.map(({ node }) => node) } = options
  const standing = routingSurvey(world).standingOf(web, ready)
  const judge = routingJudge({
    speakers: new Set(speakers),
    members: new Map(members.map(one => [one.node, one])),
    established: (node, peer) => sessions.includes(`${node} ${peer}`),
  })
  return standing && judge(standing, [])
}

const all = ['a', 'b', 'c'].map(name => member(name))

describe('a Service that BGP announces', () => {
  test('is announced from the nodes that have a speaker, to their peers', () => {
    const peers = [bgpPeer('r2'), bgpPeer('r1')]
    expect(verdict({ members: all.slice(0, 2), sessions: ['b r1'], world: { peers } })).toEqual({
      kind: 'announced',
      addresses: ['192.0.2.1'],
      nodes: ['a', 'b'],
      peers: ['r1', 'r2'],
      established: true,
      disagreements: [],
      sharedRoutes: [],
    })
  })

  test('is heard by nobody while no session stands', () => {
    expect(verdict({ members: all })).toMatchObject({ kind: 'announced', established: false })
  })

  test('is not heard through the session of a peer that it is not announced to', () => {
    const world = {
      peers: [bgpPeer('r1'), bgpPeer('r2')],
      advertisements: [bgpAdvertisement('one', { peers: ['r2'] })],
    }
    expect(verdict({ members: all, sessions: ['a r1'], world })).toMatchObject({ established: false, peers: ['r2'] })
  })

  test('is not heard through the session of a speaker that is dead, whatever its record says', () => {
    const members = [member('a', { liveness: 'gone' }), member('b')]
    expect(verdict({ members, sessions: ['a r1'] })).toMatchObject({ established: false })
    expect(verdict({ members: [member('b')], speakers: ['a', 'b'], sessions: ['a r1'] })).toMatchObject({
      nodes: ['a', 'b'],
      established: false,
    })
  })

  test('is still heard from a speaker that is leaving', () => {
    const members = [member('a', { liveness: 'leaving' })]
    expect(verdict({ members, sessions: ['a r1'] })).toMatchObject({ nodes: ['a'], established: true })
  })
})

test('without any speaker nobody announces it, and the nodes say so', () => {
  expect(verdict({ members: [member('a', { liveness: 'gone' })], speakers: [] })).toEqual({
    kind: 'refused',
    refusal: {
      kind: 'NoEligibleNode',
      nodes: [
        { kind: 'speakerGone', node: 'a' },
        { kind: 'noSpeaker', node: 'b' },
        { kind: 'noSpeaker', node: 'c' },
      ],
    },
  })
})

test('what the rules refuse stays refused', () => {
  expect(verdict({ members: all, world: { peers: [] } })).toEqual({ kind: 'refused', refusal: { kind: 'NoPeer' } })
  expect(verdict({ members: all, world: { advertisements: [] } })).toBeUndefined()
})
