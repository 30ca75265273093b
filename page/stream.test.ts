import { once } from 'node:events'
import { Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { createStreams } from './stream.ts'

/** A client that takes what it is sent only when told to. */
function slowClient() {
  const taken: string[] = []
  let take: (() => void) | undefined
  const sink = new Writable({
    highWaterMark: 10,
    write(chunk: Buffer, _, done) {
      taken.push(chunk.toString())
      take = done
    },
  })
  return { sink, taken, take: () => take?.() }
}

describe('a client that does not keep up', () => {
  test('gets the latest when it is done, and nothing of what was between', async () => {
    const { sink, taken, take } = slowClient()
    const stream = createStreams().open(sink)
    for (let number = 1; number <= 100; number++) stream?.send('overview', `{"number":${number}}`)
    expect(taken.join('')).toContain('{"number":1}')
    take()
    await vi.waitFor(() => expect(taken).toHaveLength(2))
    expect(taken[1]).toBe('event: overview\ndata: {"number":100}\n\n')
    sink.destroy()
  })

  test('is let go when it takes nothing for too long', async () => {
    const { sink } = slowClient()
    const streams = createStreams({ patienceMs: 20, heartbeatMs: 5 })
    streams.open(sink)?.send('overview', 'more than ten characters')
    expect(streams.size).toBe(1)
    await vi.waitFor(() => expect(sink.destroyed).toBe(true))
    await vi.waitFor(() => expect(streams.size).toBe(0))
  })
})

test('there are so many clients and no more, until one leaves', async () => {
  const streams = createStreams({ most: 2 })
  const clients = [slowClient(), slowClient(), slowClient()]
  const opened = clients.map(({ sink }) => streams.open(sink))
  expect(opened.map(stream => stream !== undefined)).toEqual([true, true, false])
  clients[0]?.sink.destroy()
  await vi.waitFor(() => expect(streams.size).toBe(1))
  expect(streams.open(slowClient().sink)).toBeDefined()
})

test('a client that has left before its stream was opened takes no place', async () => {
  const { sink } = slowClient()
  sink.destroy()
  await once(sink, 'close')
  const streams = createStreams({ most: 1 })
  expect(streams.open(sink)).toBeUndefined()
  expect(streams.size).toBe(0)
  expect(streams.open(slowClient().sink)).toBeDefined()
})

test('who takes all is told that the server is still there', async () => {
  const taken: string[] = []
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      taken.push(chunk.toString())
      done()
    },
  })
  createStreams({ heartbeatMs: 5 }).open(sink)
  await vi.waitFor(() => expect(taken).toContain(': still here\n\n'))
  sink.destroy()
})
