import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { sequence } from '../../speaker/bgp/as-path.ts'
import { encodeUpdate } from '../../speaker/bgp/update.ts'
import { address, peer, prefix, route } from './berth.ts'
import { answer, context, loopback, message, met, nextHops, start, status } from './hostile-meeting.ts'
import { dialBerth, listenForBerth } from './hostile-peer.ts'
import { until } from './until.ts'

/* A router that means harm, on loopback: what it costs. */

function collectGarbage(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

test('100,000 routes of junk are counted and leave nothing behind', async () => {
  const { bgp, connection } = await met()
  const nlri = Array.from({ length: 700 }, (_, index) => prefix(`10.${index >> 8}.${index & 255}.0/24`))
  const body = encodeUpdate(
    { withdrawn: [], attributes: { origin: 'IGP', asPath: sequence([64513]), nextHop: address('192.0.2.2') }, nlri },
    context,
  )
  const bytes = message(2, body)
  const before = collectGarbage()
  const startMs = performance.now()
  for (let sent = 0; sent < 143; sent++) connection.sendBytes(bytes)
  await until(
    'all are counted',
    async () => status(bgp).session?.prefixesReceived.IPv4,
    count => count === 143 * 700,
  )
  expect(performance.now() - startMs).toBeLessThan(10_000)
  expect(collectGarbage() - before).toBeLessThan(5_000_000)
  expect(status(bgp).state).toBe('Established')
})

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
