import { describe, expect, onTestFinished, test } from 'vitest'
import { encodeMessage, type Message } from '../../speaker/bgp/message.ts'
import { notification } from '../../speaker/bgp/notification.ts'
import { hex } from '../packets/bytes.ts'
import { goodAttributes, type UpdateError, updateBody, updateErrors } from '../packets/update-errors.ts'
import { address, peer, route } from './berth.ts'
import { answer, context, loopback, meet, message, met, nextHops, stands, start, status } from './hostile-meeting.ts'
import { dialBerth, listenForBerth, politeOpen } from './hostile-peer.ts'
import { until } from './until.ts'

/* A router that means harm, on loopback: what Berth answers, and which sessions stay. */

const marker = 'ffffffffffffffffffffffffffffffff'
const open = encodeMessage(politeOpen, context)

describe('before a session, the right words for', () => {
  const rows: readonly [name: string, bytes: Uint8Array, answer: string][] = [
    ['a marker that is none', hex(`fe${marker.slice(2)} 001d 01`), '1/1'],
    ['a length of 18', hex(`${marker} 0012 04`), '1/2 0012'],
    ['a length of 4097', hex(`${marker} 1001 01`), '1/2 1001'],
    ['an OPEN too short', hex(`${marker} 001c 01 000000000000000000`), '1/2 001c'],
    ['a message of type 9', hex(`${marker} 0013 09`), '1/3 09'],
    ['version 3', message(1, hex('03 fc01 005a 0a000001 00')), '2/1 0004'],
    ['another AS', message(1, hex('04 fc02 005a 0a000001 00')), '2/2'],
    ['identifier 0', message(1, hex('04 fc01 005a 00000000 00')), '2/3'],
    ['an unknown parameter', message(1, hex('04 fc01 005a 0a000001 02 07 00')), '2/4'],
    ['a hold time of 2', message(1, hex('04 fc01 0002 0a000001 00')), '2/6'],
    ['parameters that run past the end', message(1, hex('04 fc01 005a 0a000001 09 02 07')), '2/0'],
    [
      'a family that we do not speak',
      message(1, hex('04 fc01 005a 0a000001 08 02 06 01 04 0019 00 41')),
      '2/7 010400010001010400020001',
    ],
    ['a KEEPALIVE', encodeMessage({ kind: 'keepalive' }, context), '5/1 04'],
    ['an UPDATE', message(2, hex('00000000')), '5/1 02'],
    ['a ROUTE-REFRESH', message(5, hex('00010001')), '5/1 05'],
    ['a second OPEN', Buffer.concat([open, open]), '5/2 01'],
    ['an UPDATE right after OPEN', Buffer.concat([open, message(2, hex('00000000'))]), '5/2 02'],
  ]
  for (const [name, bytes, expected] of rows) {
    test(name, async () => {
      const { connection } = await meet()
      connection.sendBytes(bytes)
      expect(await answer(connection)).toBe(expected)
    })
  }
})

describe('in a session, the right words for', () => {
  const rows: readonly [name: string, bytes: Uint8Array, answer: string][] = [
    ['a marker that is none', hex(`00${marker.slice(2)} 0013 04`), '1/1'],
    ['a message of type 0', hex(`${marker} 0013 00`), '1/3 00'],
    ['a KEEPALIVE with a body', hex(`${marker} 0014 04 00`), '1/2 0014'],
    ['an UPDATE too short', hex(`${marker} 0016 02 000000`), '1/2 0016'],
    ['a NOTIFICATION too short', hex(`${marker} 0014 03 06`), '1/2 0014'],
    ['a ROUTE-REFRESH too short', hex(`${marker} 0016 05 000100`), '1/2 0016'],
    ['an OPEN', open, '5/3 01'],
    ['an OPEN that is none', message(1, hex('03 fc01 005a 0a000001 00')), '2/1 0004'],
    ['a marker of refreshed routes with something behind it', message(5, hex('0001 01 01 ff')), '7/1 00010101ff'],
    [
      'an unknown well-known attribute, which goes with the answer',
      message(2, updateBody(`${goodAttributes} 40 63 00`)),
      '3/2 406300',
    ],
    ['an error where no route is to be seen', message(2, updateBody('40 01 01 09', '')), '3/6 40010109'],
  ]
  for (const [name, bytes, expected] of rows) {
    test(name, async () => {
      const { connection } = await met()
      connection.sendBytes(bytes)
      expect(await answer(connection)).toBe(expected)
    })
  }
})

describe('of the errors in an UPDATE', () => {
  const isFatal = ({ outcome }: UpdateError): boolean => /^\d+\/\d+$/.test(outcome)
  const sides = [
    { words: 'another AS', internal: undefined, settings: {} },
    { words: 'our own AS', internal: true, settings: { localAs: 64513, peerAs: 'internal' } },
  ] as const

  for (const { name, body, outcome } of updateErrors.filter(isFatal)) {
    test(`${name}: the session falls`, async () => {
      const { connection } = await met()
      connection.sendBytes(message(2, body))
      expect((await answer(connection)).split(' ')[0]).toBe(outcome)
    })
  }

  for (const { words, internal, settings } of sides) {
    test(`all others leave the session as it is, and are counted, from a peer of ${words}`, async () => {
      const { bgp, connection } = await met(settings)
      const rows = updateErrors.filter(row => !isFatal(row) && row.internal === internal)
      expect(rows.length).toBeGreaterThan(2)
      await stands(bgp)
      let errors = 0
      let messages = 0
      for (const { name, body, outcome } of rows) {
        connection.sendBytes(message(2, body))
        messages += 1
        if (outcome.includes(';')) errors += 1
        const { session, state } = await until(
          `${name} is read`,
          async () => status(bgp),
          one => one.messages.received.update === messages || one.state !== 'Established',
        )
        expect([name, state, session?.updatesWithErrors]).toEqual([name, 'Established', errors])
      }
    })
  }
})

test('a handshake that comes one octet at a time succeeds', async () => {
  const { bgp, connection } = await meet()
  connection.socket.setNoDelay(true)
  for (const octet of Buffer.concat([open, encodeMessage({ kind: 'keepalive' }, context)])) {
    connection.sendBytes(Uint8Array.of(octet))
    await new Promise(resolve => void setImmediate(resolve))
  }
  await stands(bgp)
})

test('whatever octet of a session’s messages is changed, there is an answer or the session goes on', async () => {
  const whole = Buffer.concat([
    message(2, updateBody(`${goodAttributes} 80 04 04 00000001 c0 08 04 00000001`)),
    message(5, hex('00010001')),
  ])
  let session = await met({ connectRetryTimeSeconds: 1 })
  let resets = 0
  for (let index = 0; index < whole.length; index++) {
    const { connection } = session
    connection.sendBytes(whole.with(index, (whole[index] ?? 0) ^ 0x41))
    // Whatever was understood of it, and however long it claimed to be: what follows is no message.
    connection.sendBytes(new Uint8Array(2 * 4096))
    expect(await answer(connection)).toMatch(/^[1357]\/\d+/)
    resets += 1
    session = await met({ connectRetryTimeSeconds: 1 })
  }
  expect(resets).toBe(whole.length)
})

test('a NOTIFICATION is not answered, and the router that sends one is asked ever more seldom', async () => {
  const { connection, next, accepted } = await met()
  const cease: Message = { kind: 'notification', notification: notification('administrativeReset') }
  connection.send(cease)
  expect(await connection.receive()).toSatisfy((last: unknown) => last === undefined || isUpdateOrKeepalive(last))
  const startMs = performance.now()
  for (let attempt = 0; attempt < 2; attempt++) {
    const again = await next()
    again.send(cease)
  }
  // One second, less a quarter for chance, and then two.
  expect(performance.now() - startMs).toBeGreaterThan(750 + 1500)
  expect(accepted()).toBe(3)
})

function isUpdateOrKeepalive(last: unknown): boolean {
  return ['update', 'keepalive'].includes((last as Message).kind)
}

test('a router that says nothing any more is told so when the hold time is over', async () => {
  const { connection } = await met({ holdTimeSeconds: 3 })
  const startMs = performance.now()
  expect(await answer(connection)).toBe('4/0')
  expect((performance.now() - startMs) / 3000).toBeGreaterThan(0.7)
})

test('octets that make no message do not keep a session alive', async () => {
  const { bgp, connection } = await met({ holdTimeSeconds: 3 })
  await stands(bgp)
  connection.socket.setNoDelay(true)
  // The longest message that there is, an octet every 20 ms: it would take 80 s.
  const octets = message(2, new Uint8Array(4096 - 19))
  let sent = 0
  const dripping = setInterval(() => connection.sendBytes(octets.subarray(sent, (sent += 1))), 20)
  onTestFinished(() => clearInterval(dripping))
  expect(await answer(connection)).toBe('4/0')
  expect(sent).toBeGreaterThan(50)
})

describe('two connections at once, of which one speaker must let go', () => {
  const rows = [
    { words: 'the router with the higher identifier keeps the one that it dialled', ours: 0xc0000201, kept: 'remote' },
    { words: 'the router with the lower identifier keeps the one that we dialled', ours: 0xc0000203, kept: 'local' },
  ] as const
  for (const { words, ours, kept } of rows) {
    test(words, async () => {
      const [router, own] = [await listenForBerth(), await listenForBerth()]
      onTestFinished(() => router[Symbol.asyncDispose]())
      await own[Symbol.asyncDispose]() // a port that is free
      const bgp = start(own.port)
      const settings = peer({ remote: loopback, port: router.port, direction: 'both', bgpIdentifier: ours, nextHops })
      bgp.configure([settings], new Map([['router', []]]))
      const dialledByUs = await router.next()
      const dialledByRouter = await dialBerth(own.port)
      // Both have said OPEN before either is answered, so neither side has more to go by than the other.
      for (const one of [dialledByUs, dialledByRouter]) one.send(politeOpen)
      const [winner, loser] = kept === 'local' ? [dialledByUs, dialledByRouter] : [dialledByRouter, dialledByUs]
      expect(await answer(loser)).toBe('6/7')
      winner.send({ kind: 'keepalive' })
      await stands(bgp)
      expect(status(bgp)).toMatchObject({ session: { initiator: kept }, establishedCount: 1 })
      for (const one of [winner, loser]) one.close()
    })
  }
})

test('a router that dials gets the session of the address that it dials, and at another address none', async () => {
  const listener = await listenForBerth()
  const port = listener.port
  await listener[Symbol.asyncDispose]() // a port that is free
  const bgp = start(port)
  const waiting = (text: string) =>
    peer({ name: text, remote: loopback, direction: 'passive', sourceAddress: address(text), nextHops })
  bgp.configure([waiting('127.0.0.3'), waiting('127.0.0.4')], new Map())
  const dialled = (host: string) => dialBerth(port, '127.0.0.1', host)
  const second = await until(
    'Berth listens',
    () => dialled('127.0.0.4').catch(() => undefined),
    one => one !== undefined,
  )
  await second?.establish()
  expect(bgp.state().map(({ name, state }) => [name, state])).toEqual([
    ['127.0.0.3', 'Active'],
    ['127.0.0.4', 'Established'],
  ])
  const elsewhere = await dialled('127.0.0.5')
  expect(await elsewhere.receive()).toBeUndefined()
  const first = await dialled('127.0.0.3')
  await first.establish()
  expect(bgp.state().map(({ state }) => state)).toEqual(['Established', 'Established'])
  for (const one of [first, second, elsewhere]) one?.close()
})

test('changed settings reset their own session and no other; changed routes reset none', async () => {
  const [one, other] = [await listenForBerth(), await listenForBerth()]
  onTestFinished(async () => {
    await one[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })
  const bgp = start()
  const settings = [
    peer({ name: 'one', remote: loopback, port: one.port, nextHops }),
    peer({ name: 'other', remote: loopback, port: other.port, nextHops }),
  ] as const
  bgp.configure(settings, new Map())
  const [first, second] = [await one.next(), await other.next()]
  await Promise.all([first.establish(), second.establish()])
  bgp.configure(
    settings.map(one => ({ ...one })),
    new Map([
      ['one', [route('203.0.113.1/32')]],
      ['other', [route('203.0.113.1/32')]],
    ]),
  )
  expect((await first.receiveKind('update')).update.nlri.length).toBe(1)
  expect((await second.receiveKind('update')).update.nlri.length).toBe(1)
  bgp.configure([settings[0], { ...settings[1], holdTimeSeconds: 30 }], new Map())
  expect((await second.receiveKind('notification')).notification).toEqual(notification('otherConfigurationChange'))
  const again = await other.next()
  expect((await again.receiveKind('open')).open.holdTimeSeconds).toBe(30)
  expect(bgp.state().map(({ name, state, establishedCount }) => [name, state, establishedCount])).toEqual([
    ['one', 'Established', 1],
    ['other', 'OpenSent', 0],
  ])
  bgp.configure([settings[0]], new Map())
  expect((await again.receiveKind('notification')).notification).toEqual(notification('peerDeconfigured'))
  expect(one.accepted).toBe(1)
})

test('until its routes are known a peer is not told that it has heard all', async () => {
  const { bgp, connection, settings } = await meet()
  bgp.configure([settings], new Map())
  await connection.establish()
  connection.send({ kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 })
  await until(
    'the request is read',
    async () => status(bgp).messages.received.routeRefresh,
    count => count === 1,
  )
  expect(status(bgp).session?.endOfRibSent).toBe(false)
  bgp.configure([settings], new Map([['router', []]]))
  expect((await connection.receiveKind('update')).update).toEqual({ withdrawn: [], attributes: {}, nlri: [] })
})
