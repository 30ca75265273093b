import { describe, expect, test } from 'vitest'
import type { LastError } from '../bgp/status.ts'
import type { PeerView } from './router.ts'
import { formatCapability, formatIdentifier, sessionVerdict, stopped } from './session-words.ts'
import { bfd, established, settings, status, view } from './test-sessions.ts'

const cease: LastError = { from: 'remote', text: 'Cease: Administrative Shutdown "back at 5"', atMs: 1 }
const silence: LastError = { from: 'transport', text: 'no answer within 10 s', atMs: 1 }
const bfdDown: LastError = { from: 'local', text: 'Cease: BFD Down', atMs: 1 }
const onEth1 = settings({ remote: { interface: 'eth1' } })

describe('how it stands with a session', () => {
  test.each<{ situation: string; view: PeerView; reason: string; says: unknown; problem?: unknown }>([
    {
      situation: 'the Secret is missing',
      view: view(undefined, { problem: 'there is no Secret "router-a"' }),
      reason: 'NotPossible',
      says: 'there is no Secret "router-a"',
      problem: expect.stringMatching(/^there is no Secret "router-a"$/),
    },
    { situation: 'the speaker starts', view: view(undefined), reason: 'Connecting', says: 'the speaker is starting' },
    {
      situation: 'no router was heard on the interface',
      view: view(status({ remote: 'eth1', sinceMs: 0 }), { settings: onEth1 }),
      reason: 'NoRouterHeard',
      says: expect.stringMatching(/^no router has been heard on eth1: .*send Router Advertisements.*(?<!neighbour)$/),
      problem: expect.stringMatching(/^no router has been heard on eth1/),
    },
    {
      situation: 'the router of the interface was heard',
      view: view(status({ remote: 'fe80::1%eth1' }), { settings: onEth1 }),
      reason: 'Connecting',
      says: 'dialling fe80::1%eth1',
    },
    {
      situation: 'the first attempt is under way',
      view: view(status()),
      reason: 'Connecting',
      says: 'dialling 192.0.2.1',
    },
    {
      situation: 'the router is to dial',
      view: view(status(), { settings: settings({ direction: 'passive' }) }),
      reason: 'WaitingForRouter',
      says: 'waiting for 192.0.2.1 to dial',
    },
    {
      situation: 'the router is to dial, with a password',
      view: view(status(), { settings: settings({ direction: 'passive', password: 'x' }) }),
      reason: 'WaitingForRouter',
      says: 'waiting for 192.0.2.1 to dial; is the password the same on both sides? Where it is not, the router is not heard',
    },
    {
      situation: 'it was stopped',
      view: view(status({ state: 'Idle' }, cease)),
      reason: 'SpeakerStopped',
      says: stopped,
      problem: stopped,
    },
    {
      situation: 'the router has refused',
      view: view(status({}, silence, cease)),
      reason: 'ErrorReceived',
      says: 'the router said: Cease: Administrative Shutdown "back at 5"',
    },
    {
      situation: 'this node has ended it',
      view: view(status({}, { from: 'local', text: 'Hold Timer Expired', atMs: 1 })),
      reason: 'ErrorSent',
      says: 'this node said: Hold Timer Expired',
    },
    {
      situation: 'BFD took it down',
      view: view(status({}, bfdDown), { bfd: bfd({ state: 'Down', diagnostic: 1 }) }),
      reason: 'BFDDown',
      says: 'this node said: Cease: BFD Down (BFD is Down: control detection time expired)',
    },
    {
      situation: 'nobody answers',
      view: view(status({}, silence)),
      reason: 'NotConnected',
      says: 'no answer within 10 s',
    },
    {
      situation: 'nobody answers, and there is a password',
      view: view(status({}, silence), { settings: settings({ password: 'x' }) }),
      reason: 'NotConnected',
      says: expect.stringMatching(/^no answer within 10 s; is the password the same on both sides/),
    },
    {
      situation: 'BFD cannot work on this node',
      view: view(status({}, silence), { bfd: bfd({ state: 'Down', problem: 'another program has port 3784' }) }),
      reason: 'NotConnected',
      says: 'no answer within 10 s',
      problem: expect.stringMatching(/^another program has port 3784$/),
    },
    {
      situation: 'it stands, whatever was before',
      view: view({ ...established(), lastError: cease }),
      reason: 'Established',
      says: 'session with 192.0.2.1 (AS 64513) is established',
    },
    {
      situation: 'it stands and leaves a family out',
      view: view(established({}, { withoutNextHop: ['IPv6'] })),
      reason: 'Established',
      says: expect.stringMatching(/is established; IPv6 prefixes are not announced: this node has no IPv6 address/),
      problem: expect.stringMatching(/^IPv6 prefixes are not announced/),
    },
    {
      situation: 'it stands and leaves prefixes out',
      view: view(established({}, { tooLong: ['192.0.2.1/32', '192.0.2.2/32', '192.0.2.3/32', '192.0.2.4/32'] })),
      reason: 'Established',
      says: expect.stringMatching(/4 prefixes are not announced.*: 192.0.2.1\/32, 192.0.2.2\/32, 192.0.2.3\/32, …$/),
      problem: expect.stringMatching(/^4 prefixes/),
    },
    {
      situation: 'it stands and BFD cannot',
      view: view(established(), { bfd: bfd({ state: 'Down', problem: 'another program has port 3784' }) }),
      reason: 'Established',
      says: expect.stringMatching(/is established; BFD does not watch it: another program has port 3784$/),
      problem: expect.stringMatching(/^BFD does not watch it: another program has port 3784$/),
    },
    {
      situation: 'it stands and BFD watches it, though one packet could not leave',
      view: view(established(), { bfd: bfd({ problem: 'ENETUNREACH' }) }),
      reason: 'Established',
      says: 'session with 192.0.2.1 (AS 64513) is established',
    },
  ])('where $situation', ({ view, reason, says, problem }) => {
    expect(sessionVerdict(view)).toEqual({ reason, message: says, problem })
  })
})

test.each([
  [{ kind: 'multiprotocol', afi: 2, safi: 1 }, 'IPv6 unicast'],
  [{ kind: 'multiprotocol', afi: 1, safi: 128 }, 'AFI 1 SAFI 128'],
  [{ kind: 'routeRefresh' }, 'route refresh (RFC 2918)'],
  [{ kind: 'enhancedRouteRefresh' }, 'enhanced route refresh (RFC 7313)'],
  [{ kind: 'extendedNextHop', entries: [] }, 'IPv4 with an IPv6 next hop (RFC 8950)'],
  [{ kind: 'fourOctetAs', as: 1 }, 'four-octet AS numbers (RFC 6793)'],
  [
    { kind: 'gracefulRestart', restarting: false, notification: true, restartTimeSeconds: 120, families: [] },
    'graceful restart within 120 s (RFC 4724), also after a NOTIFICATION (RFC 8538)',
  ],
  [
    { kind: 'gracefulRestart', restarting: true, notification: false, restartTimeSeconds: 0, families: [] },
    'graceful restart within 0 s (RFC 4724)',
  ],
  [{ kind: 'unknown', code: 69, value: new Uint8Array(0) }, 'ADD-PATH (RFC 7911)'],
  [{ kind: 'unknown', code: 99, value: new Uint8Array(0) }, 'capability 99'],
] as const)('capability %o reads %s', (capability, words) => expect(formatCapability(capability)).toBe(words))

test('an identifier is written as an address, also beyond the sign bit', () => {
  expect(formatIdentifier(0x0a000002)).toBe('10.0.0.2')
  expect(formatIdentifier(0xc0000201)).toBe('192.0.2.1')
})
