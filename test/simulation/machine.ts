import type { Reluctance } from '../../speaker/layer2/facts.ts'
import { createMainHalf, type MainHalf, type WarmStart } from './main-half.ts'
import { createWireHalf, type WireHalf } from './wire-half.ts'
import type { World } from './world.ts'

/** A speaker's process while it runs. */
export interface SpeakerProcess {
  readonly run: string
  readonly wire: WireHalf
  readonly main: MainHalf
}

/** A node with its own clock, on which a speaker may run. */
export interface Machine {
  readonly name: string
  readonly mac: string
  readonly process: SpeakerProcess | undefined
  readonly isFrozen: boolean
  /** It is frozen, and does not know that time passes. */
  readonly clockStands: boolean
  /** Drained: an address is to be here only where it can be nowhere else. Survives the process. */
  readonly reluctance: Reluctance | undefined
  /** The speaker's monotonic clock: it agrees with nobody's in its reading and not quite in its pace. */
  readonly clockMs: () => number
  /** Calls back in the running process after a time by its clock; not at all where it has ended by then. */
  after(delayMs: number, call: () => void): void
  /** Something has arrived for the running process. */
  receive(call: () => void): void
  /** Whether a request for the address that comes now would be answered. */
  answers(address: string): boolean
  start(warm?: WarmStart): void
  /** Power cut or kill -9: nothing more is said. */
  crash(): void
  /** SIGSTOP; with `clockStops` a virtual machine that is paused and does not know. */
  freeze(options: { readonly clockStops: boolean }): void
  thaw(): void
  drain(drained: boolean): void
  /** SIGTERM. */
  stop(): void
}

interface Waiting {
  readonly kind: 'timer' | 'packet'
  readonly run: string
  readonly call: () => void
}

/** What a socket buffer holds of a process that does not read. */
const mostPackets = 300

export function createMachine(world: World, name: string, number: number): Machine {
  const { timeline, random } = world
  const offsetMs = random.between(-1e6, 1e6)
  const pace = 1 + random.between(-2e-4, 2e-4)
  const mac = `02:00:00:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`
  let process: SpeakerProcess | undefined
  let reluctance: Reluctance | undefined
  let runs = 0
  let stoodStillMs = 0
  let frozen: { readonly sinceMs: number; readonly clockStops: boolean } | undefined
  let waiting: Waiting[] = []

  function enter(entry: Waiting): void {
    if (process?.run !== entry.run) return
    if (!frozen) {
      process.wire.lookAtClock()
      entry.call()
    } else if (entry.kind === 'timer' || waiting.length < mostPackets) waiting.push(entry)
  }

  const machine: Machine = {
    name,
    mac,
    get process() {
      return process
    },
    get isFrozen() {
      return frozen !== undefined
    },
    get clockStands() {
      return frozen?.clockStops === true
    },
    get reluctance() {
      return reluctance
    },
    clockMs: () => {
      const stoppedMs = frozen?.clockStops ? timeline.nowMs - frozen.sinceMs : 0
      return offsetMs + (timeline.nowMs - stoodStillMs - stoppedMs) * pace
    },
    after(delayMs, call) {
      const run = process?.run
      if (run === undefined) return
      // A moment at least: a timer that came a rounding error early must not be armed for the same moment again.
      timeline.at(timeline.nowMs + Math.max(0.01, delayMs) / pace, () => enter({ kind: 'timer', run, call }))
    },
    receive(call) {
      if (process) enter({ kind: 'packet', run: process.run, call })
    },
    answers: address => process !== undefined && !frozen && process.wire.answers(address),
    start(warm) {
      if (process) return
      const run = `${name}-${++runs}`
      const wire = createWireHalf(world, machine, run, report => process?.main.take(report))
      const main = createMainHalf(world, machine, run, wire)
      process = { run, wire, main }
      wire.start(warm !== undefined)
      main.start(warm)
      world.onAnswers(name, undefined)
    },
    crash() {
      process = undefined
      frozen = undefined
      waiting = []
      world.onAnswers(name, undefined)
    },
    freeze({ clockStops }) {
      if (!process || frozen) return
      frozen = { sinceMs: timeline.nowMs, clockStops }
      world.onAnswers(name, undefined)
    },
    thaw() {
      if (!frozen) return
      if (frozen.clockStops) stoodStillMs += timeline.nowMs - frozen.sinceMs
      frozen = undefined
      // What a process looks at first when it runs again, its timers or its sockets, is not for us to choose.
      const timersFirst = random.chance(0.5)
      const all = waiting
      waiting = []
      world.onAnswers(name, undefined)
      const order = (entry: Waiting): number => ((entry.kind === 'timer') === timersFirst ? 0 : 1)
      for (const entry of all.sort((one, other) => order(one) - order(other))) enter(entry)
      world.onAnswers(name, undefined)
    },
    drain(drained) {
      reluctance = drained ? { kind: 'drained', by: 'cordon' } : undefined
      process?.main.sayAnew()
    },
    stop() {
      const leaving = process
      if (!leaving || frozen) return
      leaving.main.leave(() => {
        if (process !== leaving) return
        leaving.wire.stop()
        machine.crash()
      })
    },
  }
  return machine
}
