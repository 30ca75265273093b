import type { Writable } from 'node:stream'

/*
 * Live updates: an endless answer of server-sent events. What is pushed is always the latest overview and never a queue of
 * them: a reader that is still busy with the last one gets the newest when it is done, and one that takes nothing for
 * too long is let go. So what a client can cost is one overview and one socket, and there are so many clients at most.
 */

/** All who follow. */
export interface Streams {
  /** Undefined where there are too many already, or where the client has left meanwhile. */
  open(sink: Writable): Stream | undefined
  readonly size: number
  /** Ends all. */
  close(): void
}

/** One who follows. */
export interface Stream {
  send(event: string, data: string): void
  close(): void
}

export interface StreamsOptions {
  readonly most?: number
  /** So long may a client take nothing. */
  readonly patienceMs?: number
  /** A comment is sent so often, that proxies keep the connection and a dead client is found. */
  readonly heartbeatMs?: number
}

export function createStreams({ most = 24, patienceMs = 15_000, heartbeatMs = 10_000 }: StreamsOptions = {}): Streams {
  const streams = new Set<Stream>()

  function open(sink: Writable): Stream | undefined {
    // Who has left says so once, and it has been said: nobody would ever free the place.
    if (sink.destroyed || streams.size >= most) return undefined
    /** By name, what waits until the client has taken what it was sent; the newest of each. */
    const waiting = new Map<string, string>()
    let busySinceMs: number | undefined

    const write = (text: string): void => {
      if (!sink.write(text)) busySinceMs ??= performance.now()
    }
    const send = (event: string, data: string): void => {
      if (busySinceMs === undefined) write(`event: ${event}\ndata: ${data}\n\n`)
      else waiting.set(event, data)
    }
    sink.on('drain', () => {
      busySinceMs = undefined
      const held = [...waiting]
      waiting.clear()
      for (const [event, data] of held) send(event, data)
    })
    const beat = setInterval(() => {
      if (busySinceMs === undefined) return write(': still here\n\n')
      if (performance.now() - busySinceMs > patienceMs) sink.destroy()
    }, heartbeatMs)
    const stream: Stream = { send, close: () => sink.end() }
    sink.once('close', () => {
      clearInterval(beat)
      streams.delete(stream)
    })
    sink.on('error', () => sink.destroy())
    streams.add(stream)
    return stream
  }

  return {
    open,
    get size() {
      return streams.size
    },
    close() {
      for (const stream of streams) stream.close()
    },
  }
}
