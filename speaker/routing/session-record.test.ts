import { describe, expect, test } from 'vitest'
import {
  parseSessionRecord,
  sessionMetadata,
  sessionRecordName,
  sessionStatusOf,
  silentStatusOf,
  stoppedStatusOf,
} from './session-record.ts'
import { bfd, established, negotiated, settings, status, view } from './test-sessions.ts'

const nowMs = Date.UTC(2026, 10, 23, 9)
const at = (atMs: number) => new Date(atMs).toISOString().replace('.000', '')

describe('what stands in the status', () => {
  test('of a session that works: what was agreed, what was told, and the error before', () => {
    const graceful = { kind: 'gracefulRestart', restarting: false, notification: true, families: [] } as const
    const stands = established(
      {
        lastError: { from: 'remote', text: 'Cease: Hard Reset', atMs: nowMs - 5_000 },
        lastErrorReceived: { text: 'Cease: Hard Reset', atMs: nowMs - 5_000 },
      },
      { negotiated: { ...negotiated, gracefulRestart: { ...graceful, restartTimeSeconds: 90 } } },
    )
    const own = settings({ gracefulRestart: { restartTimeSeconds: 120 } })
    expect(sessionStatusOf(view(stands, { settings: own, bfd: bfd() }), 'node-1', [], nowMs)).toEqual({
      node: 'node-1',
      peer: 'router-a',
      remote: '192.0.2.1',
      localAddress: '192.0.2.10',
      state: 'Established',
      since: '2026-11-20T08:00:00Z',
      established: 1,
      bfdState: 'Up',
      localASN: 64512,
      peerASN: 64513,
      peerRouterID: '10.0.0.2',
      initiator: 'local',
      holdTimeSeconds: 90,
      keepaliveTimeSeconds: 30,
      addressFamilies: ['IPv4', 'IPv6'],
      capabilities: [
        'IPv4 unicast',
        'IPv6 unicast',
        'route refresh (RFC 2918)',
        'four-octet AS numbers (RFC 6793)',
        'FQDN',
      ],
      gracefulRestartSeconds: 120,
      prefixesSent: { ipv4: 5000, ipv6: 2, total: 5002 },
      prefixesReceived: { ipv4: 12, ipv6: 0, total: 12 },
      updatesWithErrors: 0,
      lastError: 'the router said: Cease: Hard Reset',
      lastErrorReceived: { text: 'Cease: Hard Reset', at: at(nowMs - 5_000) },
      bfd: {
        state: 'Up',
        since: '2026-11-20T08:00:01Z',
        transmitIntervalMilliseconds: 50,
        detectionTimeMilliseconds: 150,
        remoteState: 'Up',
      },
      conditions: [
        {
          type: 'Established',
          status: 'True',
          reason: 'Established',
          message: 'session with 192.0.2.1 (AS 64513) is established',
          lastTransitionTime: at(nowMs),
        },
      ],
    })
  })

  test('of one that does not: each side’s last error, and no graceful restart that was not agreed', () => {
    const fell = status(
      { state: 'Connect' },
      { from: 'local', text: 'Hold Timer Expired', atMs: nowMs - 2_000 },
      { from: 'transport', text: 'no answer', atMs: nowMs - 1_000 },
    )
    const lost = bfd({
      state: 'Down',
      diagnostic: 1,
      remote: undefined,
      transmitIntervalMs: 1_000,
      detectionTimeMs: undefined,
    })
    const found = sessionStatusOf(view(fell, { bfd: lost }), 'node-1', [], nowMs)
    expect(found).toMatchObject({
      state: 'Connect',
      established: 0,
      bfdState: 'Down',
      peerASN: 64513,
      prefixesSent: { total: 0 },
      lastError: 'no answer',
      lastErrorSent: { text: 'Hold Timer Expired', at: at(nowMs - 2_000) },
      lastErrorTransport: { text: 'no answer', at: at(nowMs - 1_000) },
      bfd: { diagnostic: 'control detection time expired', transmitIntervalMilliseconds: 1_000 },
      conditions: [{ status: 'False', reason: 'NotConnected', message: 'no answer' }],
    })
    for (const absent of [
      'problem',
      'lastErrorReceived',
      'localAddress',
      'gracefulRestartSeconds',
      'addressFamilies',
    ]) {
      expect(found).not.toHaveProperty(absent)
    }
    expect(found['bfd']).not.toHaveProperty('remoteState')
  })

  test('of a peer that cannot have one: the problem, and no state but Idle', () => {
    const found = sessionStatusOf(view(undefined, { problem: 'there is no Secret "x"' }), 'node-1', [], nowMs)
    expect(found).toMatchObject({
      state: 'Idle',
      problem: 'there is no Secret "x"',
      lastError: 'there is no Secret "x"',
      conditions: [{ status: 'False', reason: 'NotPossible', message: 'there is no Secret "x"' }],
    })
    expect(found).not.toHaveProperty('since')
  })

  test('of an unnumbered peer that was not heard: the interface, and no times out of 1970', () => {
    const error = { from: 'transport', text: 'no router has been heard on eth1', atMs: 0 } as const
    const unheard = status({ remote: 'eth1', sinceMs: 0 }, error)
    const found = sessionStatusOf(
      view(unheard, { settings: settings({ remote: { interface: 'eth1' } }) }),
      'node-1',
      [],
      nowMs,
    )
    expect(found).toMatchObject({
      remote: 'eth1',
      problem: expect.stringContaining('no router has been heard on eth1'),
    })
    expect(JSON.stringify(found)).not.toContain('1970')
  })

  test('of a router whose AS is learnt: nothing before it has said it', () => {
    const open = settings({ peerAs: 'external' })
    expect(sessionStatusOf(view(status(), { settings: open }), 'n', [], nowMs)).not.toHaveProperty('peerASN')
    expect(sessionStatusOf(view(established(), { settings: open }), 'n', [], nowMs)).toHaveProperty('peerASN', 64513)
  })

  test('of a router that says a thousand things it can do: enough of them, each once', () => {
    const peerCapabilities = Array.from({ length: 1000 }, (_, index) => ({
      kind: 'multiprotocol' as const,
      afi: 3 + (index % 200),
      safi: 1,
    }))
    const stands = established({}, { negotiated: { ...negotiated, peerCapabilities } })
    const { capabilities } = sessionStatusOf(view(stands), 'node-1', [], nowMs)
    expect(capabilities).toHaveLength(64)
    expect(new Set(capabilities as string[]).size).toBe(64)
  })

  test('the condition keeps its time while it goes on to say no for other reasons', () => {
    const conditionsAt = (atMs: number, before: object) =>
      sessionStatusOf(
        view(status({}, { from: 'transport', text: `try at ${atMs}`, atMs })),
        'n',
        conditions(before),
        atMs,
      )
    const first = conditionsAt(nowMs, {})
    const second = conditionsAt(nowMs + 60_000, first)
    expect(second['conditions']).toEqual([
      expect.objectContaining({ message: `try at ${nowMs + 60_000}`, lastTransitionTime: at(nowMs) }),
    ])
  })

  test('of a stopped speaker’s peer: that it has stopped', () => {
    const found = stoppedStatusOf(view(established(), { bfd: bfd() }), 'node-1', [], nowMs)
    expect(found).toMatchObject({
      node: 'node-1',
      peer: 'router-a',
      remote: '192.0.2.1',
      state: 'Idle',
      since: at(nowMs),
      prefixesSent: { total: 0 },
      problem: 'the speaker of this node has stopped',
      conditions: [{ type: 'Established', status: 'False', reason: 'SpeakerStopped' }],
    })
    expect(found).not.toHaveProperty('bfd')
  })
})

test('of a speaker that is not heard others say that nothing is known, once, and leave what was known last', () => {
  const metadata = { name: 'n', namespace: 's' }
  const stands = sessionStatusOf(view(established(), { bfd: bfd() }), 'node-1', [], nowMs)
  const record = parseSessionRecord({ metadata, status: stands })
  const patch = record && silentStatusOf(record, nowMs + 60_000)
  expect(patch).toEqual({
    state: null,
    bfdState: null,
    bfd: null,
    problem: expect.stringContaining('the speaker of this node is not heard'),
    lastError: expect.stringContaining('the speaker of this node is not heard'),
    conditions: [
      expect.objectContaining({ status: 'Unknown', reason: 'SpeakerNotHeard', lastTransitionTime: at(nowMs + 60_000) }),
    ],
  })
  const silent = parseSessionRecord({ metadata, status: { ...stands, ...patch } })
  expect(silent && silentStatusOf(silent, nowMs)).toBeUndefined()
  const ended = parseSessionRecord({ metadata, status: stoppedStatusOf(view(established()), 'node-1', [], nowMs) })
  expect(ended?.state).toBe('Idle')
  expect(ended && silentStatusOf(ended, nowMs)).toBeUndefined()
})

function conditions(status: object) {
  const object = { metadata: { name: 'n', namespace: 's' }, status }
  return parseSessionRecord(object)?.conditions ?? []
}

describe('a record', () => {
  const metadata = {
    ...sessionMetadata({ name: 'node-1', uid: 'node-uid' }, 'router-a', 'berth'),
    uid: 'u',
    resourceVersion: '5',
  }

  test('is found by node and peer, and goes with the Node', () => {
    expect(metadata).toMatchObject({
      name: 'node-1.router-a',
      namespace: 'berth',
      labels: { 'berth.dev/installation': 'berth', 'berth.dev/node': 'node-1', 'berth.dev/peer': 'router-a' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'node-uid' }],
    })
  })

  test('is read back as it was written', () => {
    const object = { metadata, status: sessionStatusOf(view(established()), 'node-1', [], nowMs) }
    expect(parseSessionRecord(object)).toEqual({
      key: 'berth/node-1.router-a',
      name: 'node-1.router-a',
      uid: 'u',
      resourceVersion: '5',
      node: 'node-1',
      peer: 'router-a',
      remote: '192.0.2.1',
      state: 'Established',
      problem: undefined,
      conditions: [expect.objectContaining({ type: 'Established', status: 'True' })],
      ownerUid: 'node-uid',
    })
  })

  test('that has no status yet is known by its labels; a state that nobody knows is none', () => {
    expect(parseSessionRecord({ metadata })).toMatchObject({ node: 'node-1', peer: 'router-a', state: undefined })
    expect(parseSessionRecord({ metadata, status: { state: 'Confused' } })).toHaveProperty('state', undefined)
    expect(parseSessionRecord({ metadata: { name: 'x' } })).toBeUndefined()
    expect(parseSessionRecord(undefined)).toBeUndefined()
  })

  test('has a name that fits, however long its node’s', () => {
    const name = sessionRecordName('n'.repeat(253), 'router-a')
    expect(name).toHaveLength(253)
    expect(name).not.toBe(sessionRecordName('n'.repeat(253), 'router-b'))
  })
})
