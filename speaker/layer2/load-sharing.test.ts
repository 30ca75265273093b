import fc from 'fast-check'
import { expect, test } from 'vitest'
import { answererFor, markTold, mostClients, noClients, type Sharing, takeNodes, takeQuestion } from './load-sharing.ts'

const vip = '192.0.2.1'
const nodeNames = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 12 })
const clientNames = fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{12}$/), { maxLength: 40 })

function clientsNamed(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `02:00:00:00:${Math.floor(index / 256)}:${index % 256}`)
}

test.each([2, 3, 7, 20])('ten thousand clients are spread evenly over %d nodes', count => {
  const nodes = Array.from({ length: count }, (_, index) => `node-${index + 1}`)
  const shares = Map.groupBy(clientsNamed(10_000), client => answererFor(client, vip, nodes))
  for (const node of nodes) {
    const share = (shares.get(node)?.length ?? 0) / (10_000 / count)
    expect(share).toBeGreaterThan(0.8)
    expect(share).toBeLessThan(1.2)
  }
})

test('one client, such as a router, has all nodes by as many addresses', () => {
  const nodes = ['a', 'b', 'c']
  const addresses = Array.from({ length: 60 }, (_, index) => `192.0.2.${index + 1}`)
  const shares = Map.groupBy(addresses, address => answererFor('02:00:00:00:00:01', address, nodes))
  for (const node of nodes) expect(shares.get(node)?.length).toBeGreaterThan(10)
})

test('the order of the nodes is irrelevant; only the clients of a node that leaves get another', () => {
  fc.assert(
    fc.property(nodeNames, clientNames, (nodes, clients) => {
      for (const client of clients) {
        const answerer = answererFor(client, vip, nodes)
        expect(answererFor(client, vip, nodes.toReversed())).toBe(answerer)
        const others = nodes.filter(node => node !== answerer)
        const without = others.map(gone =>
          answererFor(
            client,
            vip,
            nodes.filter(node => node !== gone),
          ),
        )
        expect(without).toEqual(others.map(() => answerer))
      }
    }),
  )
})

test('of a node that leaves each client is told by exactly one other, and no other client is told anything', () => {
  fc.assert(
    fc.property(nodeNames, clientNames, (nodes, asking) => {
      const [gone, ...rest] = nodes
      const books = nodes.map(self => ({ self, clients: noClients(vip) }))
      for (const client of asking) {
        const answers = books.filter(({ self, clients }) => takeQuestion(clients, client, { self, nodes }))
        expect(answers.map(({ self }) => self)).toEqual([answererFor(client, vip, nodes)])
      }
      const left = books.filter(({ self }) => self !== gone)
      for (const { self, clients } of left) takeNodes(clients, { self, nodes: rest })
      const told = left.flatMap(({ clients }) => [...clients.untold.keys()]).sort()
      const orphans = rest.length === 0 ? [] : asking.filter(client => answererFor(client, vip, nodes) === gone)
      expect(told).toEqual(orphans.sort())
    }),
  )
})

const ab: Sharing = { self: 'a', nodes: ['a', 'b'] }
const alone: Sharing = { self: 'a', nodes: ['a'] }
/** One that b answers while it is there. */
const ofB = clientsNamed(50).find(client => answererFor(client, vip, ab.nodes) === 'b') ?? ''

test('a client that asked while a node was away is still that one’s who answered it, until it asks again', () => {
  const clients = noClients(vip)
  takeQuestion(clients, ofB, alone)
  takeNodes(clients, ab)
  expect(clients.known.get(ofB)?.answerer).toBe('a')
  takeNodes(clients, alone)
  expect(clients.untold.size).toBe(0)
  takeQuestion(clients, ofB, ab)
  takeNodes(clients, alone)
  expect([...clients.untold.keys()]).toEqual([ofB])
})

test('a client that asks its node alone whether it is still there stays with it, whoever has joined since', () => {
  const clients = noClients(vip)
  expect(takeQuestion(clients, ofB, alone)).toBe(true)
  takeNodes(clients, ab)
  expect(takeQuestion(clients, ofB, ab, true)).toBe(true)
  expect(clients.known.get(ofB)?.answerer).toBe('a')
  expect(takeQuestion(clients, ofB, ab)).toBe(false)
  expect(takeQuestion(clients, ofB, { self: 'a', nodes: ['b'] }, true)).toBe(false)
})

test('a client is told three times, unless it asks before or we are no longer among the nodes', () => {
  const clients = noClients(vip)
  const orphaned = (): void => {
    takeQuestion(clients, ofB, ab)
    takeNodes(clients, alone)
  }
  orphaned()
  for (const left of [1, 1, 0]) {
    markTold(clients, ofB)
    expect(clients.untold.size).toBe(left)
  }
  orphaned()
  takeQuestion(clients, ofB, alone)
  expect(clients.untold.size).toBe(0)
  orphaned()
  takeNodes(clients, { self: 'a', nodes: ['b'] })
  expect(clients.untold.size).toBe(0)
})

test('a node that began after a client had asked is not the one to tell it, though the client would be its by the hash', () => {
  // Whose it becomes when it asks anew, once c is there.
  const ofC = clientsNamed(200).find(
    client => answererFor(client, vip, ['a', 'b', 'c']) === 'c' && answererFor(client, vip, ['a', 'b']) === 'b',
  )
  if (ofC === undefined) throw new Error('no client is hashed so')
  const [ofA, ofNewcomer] = [noClients(vip), noClients(vip)]
  expect(takeQuestion(ofA, ofC, ab)).toBe(false)
  takeNodes(ofA, { self: 'a', nodes: ['a', 'b', 'c'] })
  takeNodes(ofA, { self: 'a', nodes: ['a', 'c'] })
  takeNodes(ofNewcomer, { self: 'c', nodes: ['a', 'c'] })
  expect([...ofA.untold.keys()]).toEqual([ofC])
  expect([...ofNewcomer.untold.keys()]).toEqual([])
})

test('whatever each has seen come and go, a client that lost its node is told by one that heard it', () => {
  const everybody = ['a', 'b', 'c', 'd']
  const views = fc.array(fc.subarray(['b', 'c', 'd']), { maxLength: 4 })
  fc.assert(
    fc.property(clientNames, fc.tuple(views, views, views), (asking, [ofB, ofC, ofD]) => {
      const orphans = asking.filter(client => answererFor(client, vip, everybody) === 'a')
      const books = Object.entries({ b: ofB, c: ofC, d: ofD }).map(([self, seen]) => {
        const clients = noClients(vip)
        for (const client of orphans) takeQuestion(clients, client, { self, nodes: everybody })
        // Nobody doubts himself, and none has missed a before.
        for (const nodes of seen) takeNodes(clients, { self, nodes: [...new Set(['a', self, ...nodes])] })
        takeNodes(clients, { self, nodes: ['b', 'c', 'd'] })
        return clients
      })
      for (const client of orphans) expect(books.some(({ untold }) => untold.has(client))).toBe(true)
    }),
  )
})

test('those that asked last are remembered, so many and no more', () => {
  const clients = noClients(vip)
  const [first = '', second = '', ...others] = clientsNamed(mostClients + 1)
  for (const client of [first, second, ...others.slice(0, -1), first, ...others.slice(-1)]) {
    takeQuestion(clients, client, ab)
  }
  expect(clients.known.size).toBe(mostClients)
  expect(clients.known.has(first)).toBe(true)
  expect(clients.known.has(second)).toBe(false)
})
