import { afterEach, expect, test, vi } from 'vitest'
import type { PeerSettings } from '../../speaker/bgp/settings.ts'
import { route } from './berth.ts'
import { type Meeting, met, status } from './hostile-meeting.ts'

/*
 * A router that says it lives and reads nothing (RFC 9687), on loopback. Sockets are real, and what they do takes as long
 * as it takes; only Berth's own timers go by a clock that is put forward.
 */

afterEach(() => void vi.useRealTimers())

/** Each with so much to say of it that no two share a message: more than a megabyte. */
const wide = Array.from({ length: 1_000 }, (_, index) => {
  const largeCommunities = Array.from({ length: 100 }, (_, data2) => ({
    globalAdministrator: 64512,
    data1: index,
    data2,
  }))
  return route(`10.0.${index >> 8}.${index & 255}/32`, { largeCommunities })
})

/** Berth and a router that stopped reading, when the kernel takes no more of what Berth has to say to it. */
async function meetSilent(more: Partial<PeerSettings>, routerHoldTimeSeconds: number): Promise<Meeting> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const meeting = await met(more, { holdTimeSeconds: routerHoldTimeSeconds })
  const { bgp, connection, settings } = meeting
  connection.socket.pause()
  const sent = () => status(bgp).messages.sent.update
  for (let round = 0, unheard = 0; unheard < 100; round++) {
    const before = sent()
    bgp.configure([settings], new Map([['router', wide.map(one => ({ ...one, multiExitDisc: round }))]]))
    await turn()
    unheard = sent() === before ? unheard + 1 : 0
  }
  return meeting
}

/** The event loop comes round: what has come by sockets has been read. */
async function turn(): Promise<void> {
  await new Promise(resolve => void setImmediate(resolve))
}

/** Time passes, a second a step, and the router says in each that it lives; until then, or until Berth gives it up. */
async function live({ bgp, connection }: Meeting, seconds: number): Promise<number> {
  for (let second = 0; second < seconds; second++) {
    const { received } = status(bgp).messages
    connection.send({ kind: 'keepalive' })
    while (status(bgp).state === 'Established' && status(bgp).messages.received.keepalive === received.keepalive)
      await turn()
    await vi.advanceTimersByTimeAsync(1_000)
    if (status(bgp).state !== 'Established') return second
  }
  return seconds
}

// Ours, the router's, and after how many seconds: at least eight minutes, or twice the hold time that was agreed on.
test.each([
  [9, 9, 480],
  [900, 9, 480],
  [600, 900, 1200],
])('with hold times of %i and %i s it is given up after %i s', async (ours, theirs, expected) => {
  const meeting = await meetSilent({ holdTimeSeconds: ours }, theirs)
  const { bgp, connection } = meeting
  const seconds = await live(meeting, 2 * expected)
  // It is looked at with every KEEPALIVE that would be due.
  const keepaliveSeconds = Math.min(ours, theirs) / 3
  expect(seconds).toBeGreaterThanOrEqual(expected)
  expect(seconds).toBeLessThan(expected + 2 * keepaliveSeconds + 2)
  expect(status(bgp).lastError).toMatchObject({ from: 'local', text: 'Send Hold Timer Expired' })
  // Its last words may have nowhere to go; the connection ends all the same.
  await vi.advanceTimersByTimeAsync(1_000)
  connection.socket.resume()
  while ((await connection.receive()) !== undefined);
})

test.each([
  [0, 9],
  [90, 0],
])('with hold times of %i and %i s there is none, and it is never given up', async (ours, theirs) => {
  const { bgp, connection, settings } = await meetSilent({ holdTimeSeconds: ours }, theirs)
  await vi.advanceTimersByTimeAsync(86_400_000)
  await turn()
  expect(status(bgp)).toMatchObject({ state: 'Established', establishedCount: 1, lastError: undefined })
  bgp.configure([settings], new Map([['router', [route('203.0.113.1/32', { multiExitDisc: 99 })]]]))
  // It hears what is true when it reads again.
  connection.socket.resume()
  for (;;) {
    const { update } = await connection.receiveKind('update')
    if (update.attributes.multiExitDisc === 99 && update.nlri.length === 1) break
  }
  expect(status(bgp).state).toBe('Established')
})
