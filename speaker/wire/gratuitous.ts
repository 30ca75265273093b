import { createHeap } from './heap.ts'
import { pauseBeforeRepeat } from './repeats.ts'

/** One address on one interface, to be made known again and again. */
export interface Herald {
  /** Sends one of the packets, numbered from 0: false = the queue is full, try it again. */
  readonly send: (packet: number) => boolean
  /** Called after each sending of all packets, with how many times that has been done. */
  readonly onSent: (times: number) => void
  /** Packets that make the address known once: two for ARP, one for NDP. */
  readonly packets: number
}

/** Makes addresses known when `repeats.ts` says so, and never so many at once that queues overflow. */
export interface Heralds {
  start(herald: Herald): void
  stop(herald: Herald): void
  close(): void
}

interface Entry {
  readonly herald: Herald
  dueMs: number
  /** Complete sendings. */
  times: number
  /** Packets of the next sending that have left. */
  part: number
  stopped: boolean
}

/** With 32 packets a tick 5,000 addresses are known within half a second, and no network card's queue is overrun. */
const packetsPerTick = 32
const tickMs = 1
/** How long a full queue is left alone. */
const retryMs = 5

export function createHeralds(
  chance: () => number = Math.random,
  now: () => number = () => performance.now(),
): Heralds {
  const entries = new Map<Herald, Entry>()
  const queue = createHeap<Entry>(compareUrgency)
  let wakeUp: { readonly atMs: number; cancel(): void } | undefined
  let nextTickMs = 0

  const arm = (): void => {
    const next = queue.first()
    if (!next) return
    const atMs = Math.max(next.dueMs, nextTickMs)
    if (wakeUp && wakeUp.atMs <= atMs) return
    wakeUp?.cancel()
    wakeUp = { atMs, ...callIn(atMs - now(), tick) }
  }

  const tick = (): void => {
    wakeUp = undefined
    const startMs = now()
    nextTickMs = startMs + tickMs
    let left = packetsPerTick
    for (let next = queue.first(); next && next.dueMs <= startMs && left > 0; next = queue.first()) {
      if (next.stopped) {
        queue.removeFirst()
      } else if (next.herald.send(next.part)) {
        left--
        if (++next.part === next.herald.packets) finish(next, startMs)
      } else {
        nextTickMs = startMs + retryMs
        break
      }
    }
    arm()
  }

  const finish = (entry: Entry, nowMs: number): void => {
    queue.removeFirst()
    entry.part = 0
    entry.times++
    entry.dueMs = nowMs + pauseBeforeRepeat(entry.times, chance())
    queue.add(entry)
    entry.herald.onSent(entry.times)
  }

  return {
    start(herald) {
      const entry = { herald, dueMs: now(), times: 0, part: 0, stopped: false }
      entries.set(herald, entry)
      queue.add(entry)
      arm()
    },
    stop(herald) {
      const entry = entries.get(herald)
      // Left in the queue until its time comes: finding it there would cost more than leaving it.
      if (entry) entry.stopped = true
      entries.delete(herald)
    },
    close() {
      wakeUp?.cancel()
      wakeUp = undefined
      queue.clear()
      entries.clear()
    },
  }
}

/** A take-over goes before every repeat, however long that has been due: until then somebody's packets go astray. */
function compareUrgency(one: Entry, other: Entry): number {
  return Math.sign(one.times) - Math.sign(other.times) || one.dueMs - other.dueMs
}

/** A timer of 0 ms takes a whole one; what is due now goes as soon as the messages at hand have been read. */
function callIn(delayMs: number, call: () => void): { cancel(): void } {
  if (delayMs <= 0) {
    const immediate = setImmediate(call)
    return { cancel: () => clearImmediate(immediate) }
  }
  const timer = setTimeout(call, delayMs)
  return { cancel: () => clearTimeout(timer) }
}
