import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeNotification,
  encodeNotification,
  formatNotification,
  hardReset,
  notification,
  shutdownCommunication,
} from './notification.ts'

describe('in words', () => {
  const rows = [
    ['Hold Timer Expired', notification('holdTimerExpired')],
    ['OPEN Message Error: Bad Peer AS', notification('badPeerAs')],
    [
      'Cease: Administrative Shutdown "maintenance, back at 5"',
      shutdownCommunication('administrativeShutdown', 'maintenance, back at 5'),
    ],
    ['Cease: Administrative Shutdown', notification('administrativeShutdown')],
    [
      'Cease: Hard Reset (Cease: Administrative Reset "bye")',
      hardReset(shutdownCommunication('administrativeReset', 'bye')),
    ],
    ['Cease: Hard Reset', notification('hardReset', Uint8Array.of(6))],
    [
      'Cease: Hard Reset (Cease: Hard Reset)',
      notification(
        'hardReset',
        Uint8Array.from({ length: 4075 }, (_, index) => (index % 2 === 0 ? 6 : 9)),
      ),
    ],
    ['UPDATE Message Error: subcode 77', { code: 3, subcode: 77, data: new Uint8Array(0) }],
    ['Error 99: subcode 1', { code: 99, subcode: 1, data: new Uint8Array(0) }],
  ] as const
  for (const [words, problem] of rows) test(words, () => expect(formatNotification(problem)).toBe(words))

  test('a peer’s text cannot move the cursor of whoever reads the log', () => {
    const text = formatNotification(shutdownCommunication('administrativeShutdown', 'a\u001b[2Jb\nc'))
    expect(text).toBe('Cease: Administrative Shutdown "a [2Jb c"')
  })

  test('nor write backwards, nor begin a line of its own', () => {
    const text = formatNotification(shutdownCommunication('administrativeReset', 'a\u202eb\u2028c'))
    expect(text).toBe('Cease: Administrative Reset "a b c"')
  })

  test('a communication whose length is a lie is left out', () => {
    const lie = notification('administrativeShutdown', Uint8Array.of(9, 65))
    expect(formatNotification(lie)).toBe('Cease: Administrative Shutdown')
  })
})

test('a communication of more than 255 octets is cut between characters', () => {
  const { data } = shutdownCommunication('administrativeShutdown', `a${'ü'.repeat(200)}`)
  expect(data.length).toBe(1 + 255)
  expect(new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1))).toBe(`a${'ü'.repeat(127)}`)
  const odd = shutdownCommunication('administrativeShutdown', 'ü'.repeat(200)).data
  expect(odd[0]).toBe(254)
})

test('whatever a peer says, it is put into one line of bounded length', () => {
  const anything = fc.record({
    code: fc.constantFrom(1, 3, 6, 99),
    subcode: fc.constantFrom(0, 2, 4, 9, 77),
    data: fc.uint8Array({ maxLength: 400 }),
  })
  fc.assert(
    fc.property(anything, said => {
      const decoded = decodeNotification(encodeNotification(said))
      expect(decoded).toEqual({ ok: true, value: said })
      expect(formatNotification(said)).toMatch(/^\P{Cc}{1,400}$/u)
    }),
    { numRuns: 500 },
  )
})

test('bytes and back', () => {
  const cease = notification('connectionRejected', Uint8Array.of(1, 2, 3))
  expect(encodeNotification(cease)).toEqual(Uint8Array.of(6, 5, 1, 2, 3))
  expect(decodeNotification(Uint8Array.of(6, 5, 1, 2, 3))).toEqual({ ok: true, value: cease })
})
