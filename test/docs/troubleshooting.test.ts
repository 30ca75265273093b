import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { PoolObjection } from '../../controller/allocator.ts'
import type { LossReason } from '../../controller/keep.ts'
import { wordLosses, wordObjection } from '../../controller/refusal.ts'
import type { ConfigProblemReason } from '../../crds/config.ts'
import { parseAddress } from '../../net/address.ts'
import { type ClaimedBecause, formatBecause } from '../../speaker/layer2/record.ts'
import { formatNodeRefusal, type NodeRefusal, type Refusal } from '../../speaker/refusal.ts'
import type { SessionReason } from '../../speaker/routing/session-words.ts'
import type { SpeakerEvent } from '../../speaker/situation.ts'
import { readPage, root } from './pages.ts'

/*
 * docs/troubleshooting.md beside the code: whatever the programs give as a reason can be found there, in their own words.
 * A reason that is new does not compile here, or is missing on the page.
 */

const page = readPage('docs/troubleshooting.md')
const chapters = new Map(page.split(/^## /m).map(part => [part.split('\n')[0] ?? '', part]))

function chapter(name: string): string {
  const text = chapters.get(name)
  if (text === undefined) throw new Error(`docs/troubleshooting.md has no chapter "${name}"`)
  return text
}

/** Which of the words do not stand in the chapter as code. */
function missing(words: readonly string[], name: string): readonly string[] {
  return words.filter(word => !chapter(name).includes(`\`${word}\``))
}

/** All that a pattern finds in a source file, once each. */
function wordsIn(file: string, pattern: RegExp): readonly string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...new Set(Array.from(source.matchAll(pattern), ([, word = '']) => word))]
}

describe('every reason of a condition is in its chapter', () => {
  test('Allocated', () => {
    const refused = wordsIn('controller/refusal.ts', /^ +(?:return \{ )?reason: '(\w+)'/gm)
    const byVerdict = wordsIn('controller/refusal.ts', /return '([A-Z]\w+)'$/gm)
    const granted = wordsIn('controller/plan.ts', /status: 'True', reason: '(\w+)'/g)
    const settled = wordsIn('kube/settled.ts', /reason: '(\w+)'/g)
    const all = [...refused, ...byVerdict, ...granted, ...settled]
    expect(all).toEqual(
      expect.arrayContaining(['NoPools', 'PoolsExhausted', 'NoPoolAdmits', 'Allocated', 'Reassigned']),
    )
    expect(settled).toHaveLength(3)
    expect(all.length).toBeGreaterThan(19)
    expect(missing(all, 'A Service stays pending')).toEqual([])
  })

  test('Announced', () => {
    const all: Record<Refusal['kind'] | 'Announced', true> = {
      Announced: true,
      NoAddress: true,
      NoAdvertisement: true,
      NoUsableEndpoints: true,
      NoEligibleNode: true,
      SharedAddressElsewhere: true,
      InterfaceUnusable: true,
      AddressInUse: true,
      NoPeer: true,
      NoEstablishedSession: true,
    }
    expect(missing(Object.keys(all), 'A Service has an address and is not announced')).toEqual([])
  })

  test('Ready', () => {
    const all: Record<ConfigProblemReason | 'Accepted', true> = {
      Accepted: true,
      Invalid: true,
      WrongNamespace: true,
      OverlappingPool: true,
      UnknownPool: true,
      UnknownPeer: true,
      UnknownCommunity: true,
      UnknownBFDProfile: true,
      DuplicatePeer: true,
      UnguardedPort: true,
      DuplicateCommunity: true,
      AggregationTooShort: true,
      ConflictingLocalPref: true,
      ConflictingMED: true,
      ConflictingASPathPrepend: true,
      NoAddressOfFamily: true,
      EchoModeUnsupported: true,
    }
    expect(missing(Object.keys(all), 'An object is not Ready')).toEqual([])
  })

  test('Established', () => {
    const all: Record<SessionReason, true> = {
      Established: true,
      NotPossible: true,
      NoRouterHeard: true,
      BFDDown: true,
      ErrorReceived: true,
      ErrorSent: true,
      NotConnected: true,
      WaitingForRouter: true,
      Connecting: true,
      SpeakerStopped: true,
      SpeakerNotHeard: true,
    }
    expect(missing(Object.keys(all), 'A BGP session is down')).toEqual([])
  })
})

test('every Event is in its chapter', () => {
  const ofSpeakers: Record<SpeakerEvent['reason'], true> = {
    Announcing: true,
    AnnouncementMoved: true,
    NotAnnounced: true,
    AddressConflict: true,
  }
  const union = /export type EventReason =\n((?: {2}\| '\w+'\n)+)/.exec(
    readFileSync(join(root, 'controller/plan.ts'), 'utf8'),
  )?.[1]
  const ofController = Array.from(union?.matchAll(/'(\w+)'/g) ?? [], ([, word = '']) => word)
  const ofSessions = wordsIn('speaker/routing/session-events.ts', /reason: '(\w+)'/g)
  expect(ofController.length).toBeGreaterThan(6)
  expect(ofSessions).toHaveLength(3)
  expect(missing([...ofController, ...ofSessions, ...Object.keys(ofSpeakers)], 'Every Event')).toEqual([])
})

/** Samples of each kind. */
type Samples<Union extends { readonly kind: string }> = {
  readonly [Kind in Union['kind']]: readonly Extract<Union, { readonly kind: Kind }>[]
}

function notIn(name: string, texts: readonly string[]): readonly string[] {
  return texts.filter(text => !chapter(name).includes(`| ${text}`))
}

const node = 'node-1'

test('what a node says stands there as it says it', () => {
  const label = 'node.kubernetes.io/exclude-from-external-load-balancers'
  const samples: Samples<NodeRefusal> = {
    noNode: [{ kind: 'noNode', node }],
    notSelected: [{ kind: 'notSelected', node, by: 'L2Advertisement' }],
    excludedByLabel: [{ kind: 'excludedByLabel', node, label }],
    networkUnavailable: [{ kind: 'networkUnavailable', node }],
    noSpeaker: [{ kind: 'noSpeaker', node }],
    speakerGone: [{ kind: 'speakerGone', node }],
    speakerUnheard: [{ kind: 'speakerUnheard', node }],
    speakerLeaving: [{ kind: 'speakerLeaving', node }],
    noInterface: [
      { kind: 'noInterface', node, wanted: 'all' },
      { kind: 'noInterface', node, wanted: ['eth1'] },
    ],
    noCarrier: [{ kind: 'noCarrier', node, interfaces: ['eth0'] }],
    noLocalEndpoint: [{ kind: 'noLocalEndpoint', node }],
    otherNetwork: [{ kind: 'otherNetwork', node }],
    noPeer: [
      { kind: 'noPeer', node, wanted: [] },
      { kind: 'noPeer', node, wanted: ['tor'] },
    ],
    otherFamily: [{ kind: 'otherFamily', node, peers: ['tor'], family: 'IPv6' }],
  }
  expect(notIn('What a node says', Object.values(samples).flat().map(formatNodeRefusal))).toEqual([])
})

test('why a node has taken an address stands there as it is said', () => {
  const samples: Record<ClaimedBecause, string> = {
    first: '',
    ownerGone: node,
    ownerUnheard: node,
    ownerLeaving: node,
    ownerUnable: node,
    ownerDrained: node,
    ownerProxyUnhealthy: node,
    preferred: node,
    spread: node,
    migrated: '',
  }
  const words = Object.entries(samples).map(([because, from]) =>
    formatBecause({ node: 'node-2', because: because as ClaimedBecause, from }),
  )
  expect(notIn('An address moves between nodes', words)).toEqual([])
})

const address = parsed('192.0.2.150')

function parsed(text: string): NonNullable<ReturnType<typeof parseAddress>> {
  const found = parseAddress(text)
  if (!found) throw new Error(`${text} is no address`)
  return found
}

const admission = {
  kind: 'namespaceNotAdmitted',
  namespace: 'default',
  namespaces: ['bank'],
  selectors: [],
  selectorsMatchAny: false,
} as const

test('what a pool says stands there as it says it', () => {
  const selector = { requirements: [{ key: 'tier', operator: 'In', values: ['front'] }] } as const
  const full = { kind: 'exhausted', family: 'IPv4', inUse: 100n, size: 100n, conflicting: 0n } as const
  const samples: Samples<PoolObjection> = {
    namespaceNotAdmitted: [admission],
    labelsNotSelected: [{ kind: 'labelsNotSelected', selectors: [selector] }],
    setAside: [{ kind: 'setAside', reason: 'Invalid', message: '' }],
    autoAssignOff: [{ kind: 'autoAssignOff' }],
    familyMissing: [{ kind: 'familyMissing', family: 'IPv6' }],
    exhausted: [full, { ...full, inUse: 0n, size: 0n }],
    addressOutside: [{ kind: 'addressOutside', address: parsed('192.0.2.9') }],
    addressAvoided: [{ kind: 'addressAvoided', address: parsed('192.0.2.255') }],
    addressHeld: [{ kind: 'addressHeld', address, holder: 'shop/api', obstacles: [] }],
  }
  // What differs each time, in brackets at the end, is left out.
  const words = Object.values(samples).flat().map(wordObjection)
  expect(
    notIn(
      'What a pool says',
      words.map(word => word.replace(/ ?\)$/, '').replace(/: $/, ':')),
    ),
  ).toEqual([])
})

test('how an address was lost stands there as it is said', () => {
  const mac = '02:00:00:00:00:99'
  const samples: Samples<LossReason> = {
    poolDeleted: [{ kind: 'poolDeleted', pool: 'public' }],
    poolAddressesChanged: [{ kind: 'poolAddressesChanged', pool: 'public' }],
    inNoPool: [{ kind: 'inNoPool' }],
    avoided: [{ kind: 'avoided', pool: 'public' }],
    notAdmitted: [{ kind: 'notAdmitted', pool: 'public', objection: admission }],
    otherPoolRequested: [{ kind: 'otherPoolRequested', pool: 'public', requested: 'shops' }],
    otherAddressesRequested: [{ kind: 'otherAddressesRequested', requested: [parsed('192.0.2.160')] }],
    familyNotWanted: [{ kind: 'familyNotWanted', wish: { kind: 'one', family: 'IPv4' } }],
    notInPoolOfOther: [{ kind: 'notInPoolOfOther', pool: 'public' }],
    held: [{ kind: 'held', holder: 'shop/api', obstacles: [{ kind: 'port', protocol: 'TCP', port: 80 }] }],
    inUseElsewhere: [
      { kind: 'inUseElsewhere', pool: 'public', mac, interface: 'eth0', instead: parsed('192.0.2.151') },
    ],
    secondFamilyRequired: [
      { kind: 'secondFamilyRequired', family: 'IPv6', objection: { kind: 'familyMissing', family: 'IPv6' } },
    ],
    replacedByHand: [{ kind: 'replacedByHand' }],
  }
  const words = Object.values(samples)
    .flat()
    .map(sample => wordLosses([{ address, ...sample }]).text)
  expect(
    notIn(
      'An address was lost, or changed',
      words.map(word => word.replace(/^192\.0\.2\.150 |\.$/g, '')),
    ),
  ).toEqual([])
})
