import type { Picture } from '../cli/picture.ts'
import type { StatusView } from '../cli/status.ts'
import type { EventLog } from './event-log.ts'
import { changesBetween, entryOfEvent, movesIn, type TimeLineEntry, timeLineOf } from './views/time-line.ts'

/** What was seen while somebody looked, beside what the API server remembers. */
export interface History {
  /** Takes in a new look at the cluster; returns the whole time line. */
  look(picture: Picture, status: StatusView): readonly TimeLineEntry[]
}

// A record tells of its last move alone; what it told before is remembered here, so many and no more.
const mostRemembered = 2_000

export function createHistory(events: EventLog): History {
  const moves = new Map<string, TimeLineEntry>()
  let changes: readonly TimeLineEntry[] = []
  let before: StatusView | undefined
  return {
    look(picture, status) {
      for (const move of movesIn(picture.snapshot)) moves.set(move.id, move)
      if (moves.size > mostRemembered * 1.1) {
        const oldest = [...moves.values()].sort((one, other) => one.atMs - other.atMs)
        for (const { id } of oldest.slice(0, moves.size - mostRemembered)) moves.delete(id)
      }
      if (before) changes = [...changesBetween(before, status), ...changes].slice(0, mostRemembered)
      before = status
      return timeLineOf(events.latest().map(entryOfEvent), [...moves.values()], changes)
    },
  }
}
