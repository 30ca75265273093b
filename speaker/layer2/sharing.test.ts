import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answererFor, answersClient, type Client, clientsToTell, noClients, remember } from './sharing.ts'

const address = '192.0.2.1'

function clients(count: number): Client[] {
  return Array.from({ length: count }, (_, index) => ({
    mac: `02:00:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`,
    address: `198.51.100.${index}`,
  }))
}

const cluster = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 })

describe('each client', () => {
  test('is answered by exactly one of the nodes, whatever order each has them in', () => {
    fc.assert(
      fc.property(cluster, fc.string(), (nodes, client) => {
        const answering = nodes.filter(self =>
          answersClient({ self, client, address, nodes: nodes.toSorted().toReversed(), direct: false }),
        )
        expect(answering).toEqual([answererFor(client, address, nodes)])
      }),
    )
  })

  test('is answered by none where there are no nodes', () => {
    expect(answererFor('m', address, [])).toBeUndefined()
  })

  test('keeps its node when another dies, and when one joins moves to that one or stays', () => {
    fc.assert(
      fc.property(cluster, fc.string(), fc.string({ minLength: 9 }), (nodes, client, newcomer) => {
        const node = answererFor(client, address, nodes)
        for (const dead of nodes.filter(name => name !== node)) {
          expect(
            answererFor(
              client,
              address,
              nodes.filter(name => name !== dead),
            ),
          ).toBe(node)
        }
        expect([node, newcomer]).toContain(answererFor(client, address, [...nodes, newcomer]))
      }),
    )
  })

  test('that asks a node directly is answered by it as long as it may answer at all', () => {
    const nodes = ['a', 'b', 'c']
    for (const self of nodes) expect(answersClient({ self, client: 'm', address, nodes, direct: true })).toBe(true)
    expect(answersClient({ self: 'd', client: 'm', address, nodes, direct: true })).toBe(false)
  })

  test('finds nodes of different addresses: not all addresses of a client are on one node', () => {
    const found = Array.from({ length: 30 }, (_, index) => answererFor('m', `192.0.2.${index}`, ['a', 'b', 'c']))
    expect(new Set(found)).toEqual(new Set(['a', 'b', 'c']))
  })
})

test('many clients are spread evenly, and sixteen on three nodes leave none of them idle', () => {
  const nodes = ['node-1', 'node-2', 'node-3']
  const share = (count: number): number[] =>
    nodes.map(node => clients(count).filter(({ mac }) => answererFor(mac, address, nodes) === node).length)
  // Standard deviation 26: five of them either way.
  for (const count of share(3_000)) expect(Math.abs(count - 1_000)).toBeLessThan(130)
  expect(Math.min(...share(16))).toBeGreaterThanOrEqual(2)
})

describe('when a node dies', () => {
  const before = ['a', 'b', 'c', 'd']
  const now = ['a', 'b', 'd']

  test('each of its clients is told by exactly one, and nobody else’s is', () => {
    const all = clients(200)
    const told = now.flatMap(self => clientsToTell({ self, address, clients: all, before, now }))
    const orphans = all.filter(({ mac }) => answererFor(mac, address, before) === 'c')
    expect(orphans.length).toBeGreaterThan(20)
    expect(told.map(({ mac }) => mac).sort()).toEqual(orphans.map(({ mac }) => mac).sort())
  })

  test('nobody is told because one joins', () => {
    for (const self of before) {
      expect(clientsToTell({ self, address, clients: clients(200), before: now, now: before })).toEqual([])
    }
  })
})

describe('clients are remembered', () => {
  const [one, two, three] = clients(3) as [Client, Client, Client]

  test('while they ask, so many and so long', () => {
    let table = remember(remember(noClients(2, 1_000), one, 0), two, 10)
    expect([...table.clients.keys()]).toEqual([one.mac, two.mac])
    table = remember(remember(table, one, 20), three, 30)
    expect([...table.clients.keys()]).toEqual([one.mac, three.mac])
    expect([...remember(table, three, 1_020).clients.keys()]).toEqual([three.mac])
  })
})
