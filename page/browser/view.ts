import type { Child } from './dom.ts'
import type { Route } from './route.ts'

/** One view of the page: what it asks the server for, and what it makes of the answer. */
export interface View<T> {
  readonly title: (route: Route) => string
  readonly load: (route: Route, signal: AbortSignal) => Promise<T>
  readonly show: (data: T, at: Moment) => readonly Child[]
  /** After the first `show` of a route. */
  readonly opened?: (data: T, at: Moment) => void
}

/** Where and when something is shown. */
export interface Moment {
  readonly route: Route
  /** The cluster's time. */
  readonly nowMs: number
  /** Asks the server again and shows what comes. */
  readonly refresh: () => void
}
