import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { IpFamily } from '../../net/address.ts'
import type { AddressPrefix } from '../../net/range.ts'
import { sequence } from '../../speaker/bgp/as-path.ts'
import { takeFrames } from '../../speaker/bgp/framer.ts'
import { encodeMessage } from '../../speaker/bgp/message.ts'
import { noOctets } from '../../speaker/bgp/octets.ts'
import type { Route } from '../../speaker/bgp/route.ts'
import { decodeUpdate, encodeUpdate, type Update } from '../../speaker/bgp/update.ts'
import { hex } from '../packets/bytes.ts'
import { goodAttributes, updateBody } from '../packets/update-errors.ts'
import { peer, route } from './berth.ts'
import { startFlooder } from './flooder.ts'
import { answer, context, loopback, message, met, nextHops, start, status } from './hostile-meeting.ts'
import { dialBerth, listenForBerth } from './hostile-peer.ts'
import { until } from './until.ts'

/* A router that means harm, on loopback: what it costs. */

function memory(): NodeJS.MemoryUsage {
  collectGarbage()
  return process.memoryUsage()
}

function collectGarbage(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

/** An UPDATE of as many routes as fit, those of this number and after, no two alike; and how many they are. */
function manyRoutes(family: IpFamily, first: number): { readonly bytes: Uint8Array; readonly count: number } {
  const count = { IPv4: 700, IPv6: 400 }[family]
  const basics = { origin: 'IGP', asPath: sequence([64513]) } as const
  const nlri = Array.from({ length: count }, (_, index): AddressPrefix => {
    const number = BigInt(first + index)
    if (family === 'IPv4') return { address: { family, value: (10n << 24n) + number }, length: 32 }
    return { address: { family, value: (0x2001_0db8n << 96n) + (number << 64n) }, length: 64 }
  })
  const update: Update =
    family === 'IPv4'
      ? { withdrawn: [], attributes: { ...basics, nextHop: nextHops.IPv4 }, nlri }
      : {
          withdrawn: [],
          attributes: { ...basics, mpReach: { kind: 'unicast', family, nextHop: nextHops.IPv6, nlri } },
          nlri: [],
        }
  return { bytes: message(2, encodeUpdate(update, context)), count }
}

/** At least so many routes of each family, from this number on. */
function tableOf(size: number, first: number): { readonly bytes: Uint8Array; readonly count: number } {
  const updates = (['IPv4', 'IPv6'] as const).flatMap(family => {
    const { count } = manyRoutes(family, first)
    return Array.from({ length: Math.ceil(size / count) }, (_, index) => manyRoutes(family, first + index * count))
  })
  return {
    bytes: Buffer.concat(updates.map(({ bytes }) => bytes)),
    count: updates.reduce((sum, { count }) => sum + count, 0),
  }
}

test('100,000 routes of each family, no two alike, are counted and leave nothing behind, however often', async () => {
  const { bgp, connection } = await met()
  const tables = Array.from({ length: 4 }, (_, index) => tableOf(100_000, index * 200_000))
  let expected = 0
  const send = async ({ bytes, count }: (typeof tables)[number]): Promise<void> => {
    expected += count
    connection.sendBytes(bytes)
    await until(
      'all are counted',
      async () => Object.values(status(bgp).session?.prefixesReceived ?? {}).reduce((sum, one) => sum + one, 0),
      count => count === expected,
    )
  }
  // The first makes room for what comes and goes.
  const [first, ...others] = tables
  if (first) await send(first)
  const before = memory()
  for (const table of others) await send(table)
  const after = memory()
  expect(expected).toBeGreaterThan(800_000)
  // What it takes to keep the bare numbers of the last table, and three were heard since.
  const kept = others.slice(-1).flatMap(({ bytes }) => numbersIn(bytes))
  const keeping = memory().heapUsed - after.heapUsed
  expect(kept.length).toBeGreaterThan(200_000)
  expect(after.heapUsed - before.heapUsed).toBeLessThan(keeping / 2)
  expect(after.rss - before.rss).toBeLessThan(keeping * 3)
  expect(status(bgp)).toMatchObject({ state: 'Established', session: { updatesWithErrors: 0 } })
}, 60_000)

function numbersIn(bytes: Uint8Array): readonly bigint[] {
  return takeFrames(noOctets, bytes).frames.flatMap(({ body }) => {
    const decoded = decodeUpdate(body, { ...context, internal: false })
    if (!decoded.ok) throw new Error('no UPDATE')
    const { nlri, attributes } = decoded.value.update
    const more = attributes.mpReach?.kind === 'unicast' ? attributes.mpReach.nlri : []
    return [...nlri, ...more].map(({ address: { value } }) => value)
  })
}

test('a router that does not read makes nothing pile up, and hears what is true when it reads again', async () => {
  // Without a hold time: this router says no KEEPALIVEs.
  const { bgp, connection, settings } = await met({ holdTimeSeconds: 0 })
  connection.socket.pause()
  // More than a megabyte, since no two routes can share a message: many times what the kernel takes, all in all.
  const rounds = 20
  const wide = Array.from({ length: 1_000 }, (_, index) => {
    const largeCommunities = Array.from({ length: 100 }, (_, data2) => ({
      globalAdministrator: 64512,
      data1: index,
      data2,
    }))
    return route(`10.0.${index >> 8}.${index & 255}/32`, { largeCommunities })
  })
  const before = collectGarbage()
  for (let round = 0; round < rounds; round++) {
    bgp.configure([settings], new Map([['router', wide.map(one => ({ ...one, multiExitDisc: round }))]]))
    await new Promise(resolve => void setImmediate(resolve))
  }
  // What the kernel does not take waits here, and that is one round of them at most.
  expect(process.memoryUsage().external + collectGarbage() - before).toBeLessThan(20_000_000)
  expect(status(bgp).messages.sent.update).toBeLessThan((rounds * wide.length) / 2)
  const known = new Map<string, number | undefined>()
  bgp.configure([settings], new Map([['router', [route('203.0.113.1/32', { multiExitDisc: 99 })]]]))
  connection.socket.resume()
  while (known.size !== 1 || !known.values().some(value => value === 99)) {
    const { update: heard } = await connection.receiveKind('update')
    for (const { address: gone } of heard.withdrawn) known.delete(String(gone.value))
    for (const { address: here } of heard.nlri) known.set(String(here.value), heard.attributes.multiExitDisc)
  }
  expect(status(bgp).state).toBe('Established')
})

const threeThousand = Array.from({ length: 3000 }, (_, index) => route(`10.0.${index >> 8}.${index & 255}/32`))

/** Berth with a router that floods and one that does not, both of which know three thousand routes. */
async function meetFlooder() {
  const [flooder, listener] = [await startFlooder(), await listenForBerth()]
  const bgp = start()
  onTestFinished(async () => {
    await flooder[Symbol.asyncDispose]()
    await listener[Symbol.asyncDispose]()
  })
  const settings = [
    peer({ name: 'flooder', remote: loopback, port: flooder.port, nextHops }),
    peer({ name: 'witness', remote: loopback, port: listener.port, nextHops }),
  ]
  const tell = (witness: readonly Route[]): void =>
    bgp.configure(settings, new Map(Object.entries({ flooder: threeThousand, witness })))
  tell(threeThousand)
  const witness = await listener.next()
  await witness.establish()
  await until(
    'both know all',
    async () => bgp.state().map(({ session }) => session?.prefixesSent.IPv4),
    counts => counts.every(count => count === threeThousand.length),
  )
  return { bgp, flooder, witness, tell }
}

describe('beside a flood without end the other session hears what it must', () => {
  const rows = [
    { kind: 'keepalive', words: 'KEEPALIVEs', one: encodeMessage({ kind: 'keepalive' }, context) },
    { kind: 'update', words: 'UPDATEs of 700 routes', one: manyRoutes('IPv4', 0).bytes },
    { kind: 'update', words: 'UPDATEs with an error', one: message(2, updateBody(`${goodAttributes} c0 08 00`)) },
    { kind: 'routeRefresh', words: 'ROUTE-REFRESHs', one: message(5, hex('00010001')) },
  ] as const
  test.each(rows)('$words', async ({ kind, one }) => {
    const { bgp, flooder, witness, tell } = await meetFlooder()
    const received = () => status(bgp).messages.received[kind]
    const chunks = () => (received() * one.length) / 65_536
    const before = received()
    flooder.flood(Buffer.concat(Array.from({ length: Math.ceil(1_000_000 / one.length) }, () => one)))
    await until(
      'it has begun',
      async () => received(),
      count => count > before,
    )
    const readMeanwhile: number[] = []
    for (let gone = 1; gone <= 10; gone++) {
      const [sofar, startMs] = [chunks(), performance.now()]
      tell(threeThousand.slice(gone))
      let withdrawn = 0
      while (withdrawn === 0) withdrawn = (await witness.receiveKind('update')).update.withdrawn.length
      expect(withdrawn).toBe(1)
      expect(performance.now() - startMs).toBeLessThan(2_000)
      readMeanwhile.push(chunks() - sofar)
      await delay(20)
    }
    // A withdrawal is there when Berth looks again, and between two looks it reads a chunk, not all that has come.
    const [middle = Number.NaN] = readMeanwhile.sort((one, other) => one - other).slice(5)
    expect(middle).toBeLessThan(1.5)
    expect(Math.max(...readMeanwhile)).toBeLessThan(12)
    await flooder.stop()
    expect(bgp.state().map(({ state, establishedCount }) => [state, establishedCount])).toEqual([
      ['Established', 1],
      ['Established', 1],
    ])
  })
})

test('thousands of ROUTE-REFRESHs are answered once a second, and so is the last of them', async () => {
  const { bgp, connection, settings } = await met()
  bgp.configure([settings], new Map([['router', threeThousand]]))
  await until(
    'all are sent',
    async () => status(bgp).session?.prefixesSent.IPv4,
    count => count === threeThousand.length,
  )
  const before = status(bgp).messages.sent.update
  const table = before - 2 // End-of-RIB of both families
  const sent = () => status(bgp).messages.sent.update - before
  const startMs = performance.now()
  for (let asked = 0; asked < 3_000; asked++) {
    connection.send({ kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 })
    // Each by itself, and whatever is said in answer is read.
    await new Promise(resolve => void setImmediate(resolve))
  }
  await until(
    'all are read',
    async () => status(bgp).messages.received.routeRefresh,
    count => count === 3_000,
  )
  await until(
    'the first answer and one more',
    async () => sent(),
    count => count >= 2 * table,
  )
  expect(sent() / table).toBeLessThanOrEqual(2 + (performance.now() - startMs) / 1_000)
  expect(status(bgp)).toMatchObject({ state: 'Established', establishedCount: 1 })
})

test('a flood of connections: the session stays, the others are refused, a stranger gets no word', async () => {
  const listener = await listenForBerth()
  const port = listener.port
  await listener[Symbol.asyncDispose]() // a port that is free
  const bgp = start(port)
  bgp.configure([peer({ remote: loopback, direction: 'passive', nextHops })], new Map())
  const first = await until(
    'Berth listens',
    () => dialBerth(port).catch(() => undefined),
    one => one !== undefined,
  )
  if (!first) throw new Error('no connection')
  await first.establish()
  const others = await Promise.all(Array.from({ length: 50 }, () => dialBerth(port)))
  const words = await Promise.all(others.map(answer))
  expect(new Set(words)).toEqual(new Set(['6/7']))
  const stranger = await dialBerth(port, '127.0.0.2')
  expect(await stranger.receive()).toBeUndefined()
  expect(status(bgp)).toMatchObject({ state: 'Established', session: { initiator: 'remote' }, establishedCount: 1 })
  for (const one of [first, stranger, ...others]) one.close()
})

test('a withdrawal is on the wire within 100 ms, beside 5,000 other routes', async () => {
  const { bgp, connection, settings } = await met()
  const many = Array.from({ length: 5000 }, (_, index) => route(`10.0.${index >> 8}.${index & 255}/32`))
  bgp.configure([settings], new Map([['router', many]]))
  await until(
    'all are sent',
    async () => status(bgp).session?.prefixesSent.IPv4,
    count => count === 5000,
  )
  // The quickest of five: the others say how busy the machine is.
  let quickestMs = Number.POSITIVE_INFINITY
  for (let gone = 1; gone <= 5; gone++) {
    const startMs = performance.now()
    bgp.configure([settings], new Map([['router', many.slice(gone)]]))
    let withdrawn = 0
    while (withdrawn === 0) withdrawn = (await connection.receiveKind('update')).update.withdrawn.length
    expect(withdrawn).toBe(1)
    quickestMs = Math.min(quickestMs, performance.now() - startMs)
  }
  expect(quickestMs).toBeLessThan(100)
})
