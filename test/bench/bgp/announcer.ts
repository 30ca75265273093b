import type { Program } from '../program.ts'
import { serviceAddress } from '../services.ts'

/** Somebody who can announce routes from the node, to be measured. */
export interface Announcer {
  readonly name: string
  /** Starts it with so many routes to announce. */
  start(routes: number): Promise<RunningAnnouncer>
}

export interface RunningAnnouncer {
  /** performance.now() just before the program was started. */
  readonly startedAt: number
  /** All that had to be started for it. */
  readonly programs: readonly Program[]
  /** Does what makes the route of that number (`routeOf`) go; done when that is done, not what follows. */
  readonly withdraw: (index: number) => Promise<void>
  stop(): Promise<void>
}

/** The route to the address of the Service of that number. */
export function routeOf(index: number): string {
  return `${serviceAddress(index)}/32`
}
