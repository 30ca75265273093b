import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatFacts, parseFacts, parseSpeakerLease, type SpeakerFacts, speakerLeaseName } from './facts.ts'

const facts: SpeakerFacts = {
  node: 'node-1',
  run: 'r1',
  leaving: false,
  interfaces: [
    { name: 'eth0', mac: '02:00:00:00:00:01', carrier: true, subnets: ['192.0.2.0/24', '2001:db8::/64'] },
    { name: 'eth1', mac: '02:00:00:00:00:02', carrier: false, subnets: [], mtu: 9000, rpFilter: 1 },
  ],
}

function lease(annotation: string | undefined, holderIdentity = 'node-1/r1'): unknown {
  return {
    metadata: {
      name: 'speaker-node-1',
      namespace: 'berth-system',
      uid: 'u',
      resourceVersion: '3',
      ...(annotation !== undefined && { annotations: { 'berth.dev/speaker-facts': annotation } }),
    },
    spec: { holderIdentity, leaseDurationSeconds: 15 },
  }
}

test('facts are read as they were written, and the same facts are the same text', () => {
  const text = formatFacts(facts)
  expect(parseFacts(text)).toEqual(facts)
  const shuffled = facts.interfaces.toReversed().map(one => ({ ...one, subnets: one.subnets.toReversed() }))
  expect(formatFacts({ ...facts, interfaces: shuffled })).toBe(text)
})

test.each([{ kind: 'drained', by: 'cordon' }, { kind: 'proxyUnhealthy' }] as const)(
  'that the node would rather not have addresses is read as it was written: $kind',
  reluctance => {
    expect(parseFacts(formatFacts({ ...facts, reluctance }))).toEqual({ ...facts, reluctance })
  },
)

test('facts of an older speaker, which does not say how its interfaces are set, are read without that', () => {
  const text =
    '{"node":"n","run":"r","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","carrier":true,"subnets":[]}]}'
  const [eth0] = parseFacts(text)?.interfaces ?? []
  expect(eth0).toStrictEqual({ name: 'eth0', mac: '02:00:00:00:00:01', carrier: true, subnets: [] })
})

test('a Lease says who holds it, for how long, and what it says of itself', () => {
  expect(parseSpeakerLease(lease(formatFacts(facts)))).toMatchObject({
    key: 'berth-system/speaker-node-1',
    node: 'node-1',
    durationMs: 15_000,
    facts,
  })
})

test.each([
  { situation: 'that was given back', object: lease(formatFacts(facts), '') },
  { situation: 'without facts', object: lease(undefined) },
  { situation: 'with facts that are no JSON', object: lease('{') },
  { situation: 'with facts that name no node', object: lease('{"run":"r"}') },
])('a Lease $situation is no speaker’s', ({ object }) => {
  expect(parseSpeakerLease(object)).toBeUndefined()
})

test('facts of another version are read as far as they can be', () => {
  expect(parseFacts('{"node":"n","run":"r","interfaces":[{"name":"eth0"},7,null],"colour":"red"}')).toEqual({
    node: 'n',
    run: 'r',
    leaving: false,
    interfaces: [],
  })
})

test('no text and no object is an exception', () => {
  expect(() => {
    fc.assert(fc.property(fc.string(), text => void parseFacts(text)))
    fc.assert(fc.property(fc.json(), text => void parseFacts(text)))
    fc.assert(fc.property(fc.anything(), object => void parseSpeakerLease(object)))
  }).not.toThrow()
})

test('the longest name of a node makes a name of a Lease that the API server takes', () => {
  expect(speakerLeaseName('n'.repeat(253))).toHaveLength(253)
  expect(speakerLeaseName(`${'n'.repeat(244)}.example`)).toBe(`speaker-${'n'.repeat(244)}`)
})
