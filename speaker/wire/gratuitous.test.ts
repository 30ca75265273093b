import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createHeralds, type Herald } from './gratuitous.ts'
import { takeOverRepeats } from './repeats.ts'

interface Sent {
  readonly name: string
  readonly packet: number
  readonly atMs: number
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setUp() {
  const sent: Sent[] = []
  const known: string[] = []
  const heralds = createHeralds(
    () => 0.5,
    () => performance.now(),
  )
  const startMs = performance.now()
  const herald = (name: string, options: { packets?: number; full?: () => boolean } = {}): Herald => ({
    packets: options.packets ?? 1,
    send(packet) {
      if (options.full?.()) return false
      sent.push({ name, packet, atMs: performance.now() - startMs })
      return true
    },
    onSent: times => void known.push(`${name} ${times}`),
  })
  return { heralds, herald, sent, known }
}

describe('heralds', () => {
  test('send at once, some seconds long, and then once a minute', async () => {
    const { heralds, herald, sent } = setUp()
    heralds.start(herald('web'))
    await vi.advanceTimersByTimeAsync(0)
    expect(sent).toEqual([{ name: 'web', packet: 0, atMs: 0 }])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(sent).toHaveLength(takeOverRepeats)
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    expect(sent).toHaveLength(takeOverRepeats + 10)
  })

  test('send every packet of an address before it counts as known', async () => {
    const { heralds, herald, sent, known } = setUp()
    heralds.start(herald('web', { packets: 2 }))
    await vi.advanceTimersByTimeAsync(0)
    expect(sent.map(({ packet }) => packet)).toEqual([0, 1])
    expect(known).toEqual(['web 1'])
  })

  test('thousands at once: never more than 32 in a millisecond, each once before any of them again', async () => {
    const { heralds, herald, sent, known } = setUp()
    const packets = 2
    for (let index = 0; index < 3_000; index++) heralds.start(herald(`service-${index}`, { packets }))
    await vi.advanceTimersByTimeAsync(190)
    const perMs = Map.groupBy(sent, ({ atMs }) => Math.floor(atMs))
    expect(Math.max(...Array.from(perMs.values(), list => list.length))).toBe(32)
    expect(known).toHaveLength(3_000)
    expect(new Set(sent.slice(0, 3_000 * packets).map(({ name }) => name)).size).toBe(3_000)
  })

  test('a full queue is left alone for a while, and nothing is lost', async () => {
    const { heralds, herald, sent, known } = setUp()
    let attempts = 0
    const full = (): boolean => ++attempts <= 3
    heralds.start(herald('web', { packets: 2, full }))
    await vi.advanceTimersByTimeAsync(4)
    expect(sent).toEqual([])
    expect(attempts).toBe(1)
    await vi.advanceTimersByTimeAsync(20)
    expect(sent.map(({ packet }) => packet)).toEqual([0, 1])
    expect(known).toEqual(['web 1'])
  })

  test('an address that is withdrawn is not heard of again', async () => {
    const { heralds, herald, sent } = setUp()
    const [web, mail] = [herald('web'), herald('mail')]
    heralds.start(web)
    heralds.start(mail)
    heralds.stop(web)
    await vi.advanceTimersByTimeAsync(200_000)
    expect(sent.some(({ name }) => name === 'web')).toBe(false)
    expect(sent.filter(({ name }) => name === 'mail').length).toBeGreaterThan(takeOverRepeats)
  })

  test('one that comes later does not wait for those whose minute is not over', async () => {
    const { heralds, herald, sent } = setUp()
    heralds.start(herald('web'))
    await vi.advanceTimersByTimeAsync(30_000)
    heralds.start(herald('mail'))
    await vi.advanceTimersByTimeAsync(2)
    expect(sent.at(-1)).toMatchObject({ name: 'mail' })
  })

  test('a take-over does not wait behind the repeats of thousands', async () => {
    const { heralds, herald, sent } = setUp()
    let congested = false
    for (let index = 0; index < 6_400; index++) heralds.start(herald(`service-${index}`, { full: () => congested }))
    await vi.advanceTimersByTimeAsync(210)
    congested = true
    const before = sent.length
    await vi.advanceTimersByTimeAsync(500)
    // All of them are due a second time now, which takes 200 ms.
    congested = false
    heralds.start(herald('web'))
    await vi.advanceTimersByTimeAsync(10)
    expect(sent.some(({ name }) => name === 'web')).toBe(true)
    expect(sent.length - before).toBeLessThan(12 * 32)
  })

  test('nothing runs after close', async () => {
    const { heralds, herald, sent } = setUp()
    heralds.start(herald('web'))
    heralds.close()
    await vi.advanceTimersByTimeAsync(200_000)
    expect(sent).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})
