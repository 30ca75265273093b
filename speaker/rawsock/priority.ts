import { setPriority } from 'node:os'
import { scheduleThread } from './rawsock.ts'

/*
 * A thread that keeps BFD's pace must run within milliseconds of its timers. At the ordinary priority it waits behind
 * whatever else is busy: on two cores with six other programs at work it was up to 310 ms late within half a minute, at
 * the highest nice level up to 190 ms, in real time 5 ms. It does little, and the kernel bounds what real time may take
 * (sched_rt_runtime_us), so nobody starves.
 */

/** `raised` is what is left where a container's cgroup has no share of real time. */
export type ThreadPriority = 'real time' | 'raised' | 'ordinary'

const policies = { other: 0, roundRobin: 2 } as const
/** What this thread starts is ordinary again. */
const resetOnFork = 0x40000000
const lowestRealTime = 1
const highestNice = -20

/** Puts the calling thread before all ordinary ones, as far as that is allowed (CAP_SYS_NICE), and says how far it was. */
export function raiseThreadPriority(): ThreadPriority {
  if (allowed(() => scheduleThread(policies.roundRobin | resetOnFork, lowestRealTime))) return 'real time'
  // Of a thread, not of the process, on Linux.
  return allowed(() => setPriority(highestNice)) ? 'raised' : 'ordinary'
}

/** Puts it back among them. */
export function resetThreadPriority(): void {
  allowed(() => scheduleThread(policies.other, 0))
  allowed(() => setPriority(0))
}

function allowed(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}
