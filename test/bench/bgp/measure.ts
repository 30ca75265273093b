import { untilAtRest } from '../program.ts'
import { type Announcer, type RunningAnnouncer, routeOf } from './announcer.ts'
import { machineMs } from './clock.ts'
import type { MeasuringRouter, SeenSession } from './router.ts'
import { addresses } from './stations.ts'
import type { Witness } from './witness.ts'

/** How fast a router has all routes, and what that took. */
export interface Filling {
  readonly seconds: number
  /** UPDATE messages that the router received. */
  readonly updates: number
}

export interface AnnouncerResult {
  readonly name: string
  readonly routes: number
  /** From the start of the program until the router has all routes. */
  readonly fromStart: Filling
  /** From the moment a session stands again until the router has all routes. */
  readonly fromSession: Filling
  /** Milliseconds from the beginning of the cause of a withdrawal until a router is told. */
  readonly withdrawalMs: readonly number[]
  /** What of that the cause itself took: for a speaker, until the API server had answered the write. */
  readonly causingMs: readonly number[]
  /** At rest, with three sessions and all routes: by program; undefined where nobody asked. */
  readonly residentMB: readonly { readonly name: string; readonly megabytes: number }[] | undefined
}

export interface MeasureOptions {
  readonly router: MeasuringRouter
  readonly witness: Witness
  readonly routes: number
  readonly withdrawals: number
  /** Whether to wait until it is at rest, and look. */
  readonly memory: boolean
  readonly progress: (line: string) => void
}

const fillTimeoutMs = 600_000

/** One announcer, from its start to its end. */
export async function measureAnnouncer(announcer: Announcer, options: MeasureOptions): Promise<AnnouncerResult> {
  const { router, witness, routes, progress } = options
  const { name } = announcer
  await router.until('the last announcer is gone', addresses.node, seen => !seen.established, 120_000)
  const before = await router.seen(addresses.node)
  const running = await announcer.start(routes)
  try {
    const filledAt = await filled(router, routes)
    const after = await router.seen(addresses.node)
    const fromStart = { seconds: (filledAt - running.startedAt) / 1000, updates: after.updates - before.updates }
    progress(
      `${name}: ${routes} routes ${fromStart.seconds.toFixed(2)} s after its start, ${fromStart.updates} messages`,
    )

    const residentMB = options.memory ? await residentOf(running, line => progress(`${name}: ${line}`)) : undefined

    const fromSession = await fillAgain(router, routes)
    progress(
      `${name}: ${routes} routes ${fromSession.seconds.toFixed(2)} s after the session, ${fromSession.updates} messages`,
    )

    const withdrawalMs: number[] = []
    const causingMs: number[] = []
    for (let turn = 0; turn < options.withdrawals; turn++) {
      // Spread over all of them, and away from the beginning.
      const index = Math.floor(((turn + 0.5) * routes) / options.withdrawals)
      const [wholeMs, causeMs] = await withdraw(running, witness, index)
      withdrawalMs.push(wholeMs)
      causingMs.push(Math.min(causeMs, wholeMs))
    }
    const [wholes, causes] = [withdrawalMs, causingMs].map(list => list.map(one => one.toFixed(0)).join(', '))
    progress(`${name}: withdrawn after ${wholes} ms; of that the cause itself: ${causes} ms`)
    return { name, routes, fromStart, fromSession, withdrawalMs, causingMs, residentMB }
  } finally {
    await running.stop()
  }
}

async function residentOf(running: RunningAnnouncer, progress: (line: string) => void) {
  progress(`at rest ${(await untilAtRest(running.programs)).toFixed(0)} s later`)
  const memory = await Promise.all(
    running.programs.map(async program => ({ name: program.name, megabytes: await program.residentMB() })),
  )
  progress(memory.map(one => `${one.name} ${one.megabytes.toFixed(0)} MB`).join(', '))
  return memory
}

function filled(router: MeasuringRouter, routes: number): Promise<number> {
  return router.until(`${routes} routes`, addresses.node, seen => seen.routes === routes, fillTimeoutMs)
}

async function fillAgain(router: MeasuringRouter, routes: number): Promise<Filling> {
  const before = await router.seen(addresses.node)
  const isNew = (seen: SeenSession) => seen.established && seen.sessions > before.sessions
  await router.clear(addresses.node)
  const standsAt = await router.until('a new session', addresses.node, isNew, 120_000)
  const filledAt = await filled(router, routes)
  const after = await router.seen(addresses.node)
  return { seconds: (filledAt - standsAt) / 1000, updates: after.updates - before.updates }
}

/** Makes a route go; how long that took, and how long what makes it go. */
async function withdraw(
  running: RunningAnnouncer,
  witness: Witness,
  index: number,
): Promise<readonly [wholeMs: number, causeMs: number]> {
  const gone = witness.when(routeOf(index))
  const beganAtMs = machineMs()
  await running.withdraw(index)
  const causedAtMs = machineMs()
  return [(await gone) - beganAtMs, causedAtMs - beganAtMs]
}
