import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { ApiError } from './api-error.ts'
import { backoffMs, createQueue, type Queue, type QueueOptions } from './queue.ts'

async function withQueue(
  options: Partial<QueueOptions<string>> & Pick<QueueOptions<string>, 'process'>,
  use: (queue: Queue<string>) => Promise<void>,
): Promise<void> {
  const queue = createQueue<string>({ name: 'test', concurrency: 4, backoff: { minMs: 1, maxMs: 4 }, ...options })
  const stop = new AbortController()
  const running = queue.run(stop.signal)
  try {
    await use(queue)
  } finally {
    stop.abort()
    await running
  }
}

describe('a queue', () => {
  it('does nothing before it runs, then what was added, once each', async () => {
    const done: string[] = []
    const queue = createQueue<string>({
      name: 'test',
      concurrency: 1,
      process: async key => {
        done.push(key)
      },
    })
    for (const key of ['a', 'b', 'a']) queue.add(key)
    await Promise.resolve()
    expect(done).toEqual([])
    expect(queue.depth).toBe(2)
    const stop = new AbortController()
    const running = queue.run(stop.signal)
    await queue.idle
    expect(done).toEqual(['a', 'b'])
    stop.abort()
    await running
  })

  it('works on different keys at once, up to its concurrency', async () => {
    let now = 0
    let most = 0
    const process = async (): Promise<void> => {
      most = Math.max(most, ++now)
      await delay(1)
      now--
    }
    await withQueue({ process, concurrency: 3 }, async queue => {
      for (let index = 0; index < 20; index++) queue.add(`key-${index}`)
      await queue.idle
    })
    expect(most).toBe(3)
  })

  it('never works twice at once on one key, and once more on a key that was added meanwhile', async () => {
    let now = 0
    let runs = 0
    const process = async (): Promise<void> => {
      expect(++now).toBe(1)
      runs++
      await delay(2)
      now--
    }
    await withQueue({ process }, async queue => {
      queue.add('a')
      await vi.waitFor(() => expect(runs).toBe(1), { interval: 1 })
      for (let index = 0; index < 5; index++) queue.add('a')
      await queue.idle
    })
    expect(runs).toBe(2)
  })

  it('tries a failed key again, later each time, and does not hold up the others', async () => {
    const attempts: number[] = []
    const done: string[] = []
    const process = async (key: string): Promise<void> => {
      if (key === 'bad' && attempts.length < 3) throw new Error('not yet')
      done.push(key)
    }
    const onError = (_key: string, _error: unknown, attempt: number): void => void attempts.push(attempt)
    await withQueue({ process, onError, concurrency: 1, backoff: { minMs: 10, maxMs: 20 } }, async queue => {
      for (const key of ['bad', 'good', 'fine']) queue.add(key)
      await queue.idle
    })
    expect(attempts).toEqual([1, 2, 3])
    expect(done).toEqual(['good', 'fine', 'bad'])
  })

  it('leaves the server alone for as long as it asks', async () => {
    let failedAt = 0
    let againAt = 0
    const process = async (): Promise<void> => {
      if (failedAt === 0) {
        failedAt = performance.now()
        throw new ApiError(429, 'TooManyRequests', 'slow down', 0.05)
      }
      againAt = performance.now()
    }
    await withQueue({ process }, async queue => {
      queue.add('a')
      await queue.idle
    })
    expect(againAt - failedAt).toBeGreaterThanOrEqual(45)
  })

  it('forgets the failures of a key once it succeeds', async () => {
    const attempts: number[] = []
    let fail = true
    const process = async (): Promise<void> => {
      if (fail) throw new Error('no')
    }
    const onError = (_key: string, _error: unknown, attempt: number): void => {
      attempts.push(attempt)
      fail = false
    }
    await withQueue({ process, onError }, async queue => {
      queue.add('a')
      await queue.idle
      fail = true
      queue.add('a')
      await queue.idle
    })
    expect(attempts).toEqual([1, 1])
  })

  it('adds a key after a while, at the earliest of the times asked for', async () => {
    const times: number[] = []
    const startMs = performance.now()
    const process = async (): Promise<void> => void times.push(performance.now() - startMs)
    await withQueue({ process }, async queue => {
      queue.addAfter('a', 5_000)
      queue.addAfter('a', 10)
      queue.addAfter('a', 8_000)
      await vi.waitFor(() => expect(times).toHaveLength(1), { interval: 2 })
    })
    expect(times[0]).toBeLessThan(2_000)
  })

  it('ends when it is told to, after what had begun, without starting more', async () => {
    const done: string[] = []
    let release: (() => void) | undefined
    const process = async (key: string): Promise<void> => {
      await new Promise<void>(resolve => {
        release = resolve
      })
      done.push(key)
    }
    const queue = createQueue<string>({ name: 'test', concurrency: 1, process })
    const stop = new AbortController()
    const running = queue.run(stop.signal)
    queue.add('a')
    queue.add('b')
    await vi.waitFor(() => expect(release).toBeDefined(), { interval: 1 })
    stop.abort()
    release?.()
    await running
    expect(done).toEqual(['a'])
    expect(queue.depth).toBe(1)
  })

  it('stays quick with very many keys', async () => {
    let runs = 0
    const startMs = performance.now()
    const process = async (): Promise<void> => void runs++
    await withQueue({ process }, async queue => {
      for (let index = 0; index < 100_000; index++) queue.add(`key-${index}`)
      await queue.idle
    })
    expect(runs).toBe(100_000)
    expect(performance.now() - startMs).toBeLessThan(5_000)
  })
})

describe('the pause before the next try', () => {
  it.each([
    [1, 0, 2.5],
    [1, 1, 5],
    [4, 1, 40],
    [30, 1, 30_000],
    [5_000, 0, 15_000],
  ])('after failure %d with chance %d is %d ms', (attempt, chance, expected) => {
    expect(backoffMs(attempt, { minMs: 5, maxMs: 30_000, random: () => chance })).toBe(expected)
  })
})
