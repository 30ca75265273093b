/*
 * What becomes of an Event that is recorded again and again: the first is created; repeats within some minutes are counted
 * and written as a series of that Event now and then, so that a fact that flaps costs the API server next to nothing.
 */

/** The object that an Event is about. */
export interface Regarding {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** One thing that happened, for whoever runs `kubectl describe`. */
export interface EventToRecord {
  readonly regarding: Regarding
  readonly type: 'Normal' | 'Warning'
  /** CamelCase. */
  readonly reason: string
  /** What was done or tried, CamelCase. */
  readonly action: string
  /** For people; cut at 1 KiB. */
  readonly note: string
}

/** What is to be sent for one kind of Event. */
export interface Series {
  readonly key: string
  readonly event: EventToRecord
  /** The name of the Event object; undefined until it was created. */
  name: string | undefined
  /** Every occurrence so far. */
  count: number
  /** Occurrences that the API server knows of. */
  written: number
  /** When it first and last happened; milliseconds since the epoch. */
  readonly firstMs: number
  lastMs: number
  /** When the API server was last told. */
  writtenMs: number
}

/** Two events with the same key are one thing that happened twice. */
export function seriesKey({ regarding, type, reason, action, note }: EventToRecord): string {
  return JSON.stringify([
    regarding.kind,
    regarding.namespace,
    regarding.name,
    regarding.uid,
    type,
    reason,
    action,
    note,
  ])
}

/** After so long without a repeat the next one is a new Event, not a repeat. */
export const seriesEndsAfterMs = 6 * 60_000
/** A series is written at its first repeat and then no more often than this. */
export const seriesWriteEveryMs = 60_000

/** When the API server should be told of the repeats of a series: undefined = there are none that it does not know. */
export function dueMs(series: Series): number | undefined {
  if (series.written >= series.count) return undefined
  return series.written <= 1 ? series.lastMs : series.writtenMs + seriesWriteEveryMs
}

/** The longest note that the API server takes. */
export const maxNoteBytes = 1024

/** The note cut behind a whole word, with an ellipsis, where it is too long. */
export function shortenNote(note: string): string {
  if (Buffer.byteLength(note) <= maxNoteBytes) return note
  const room = maxNoteBytes - Buffer.byteLength('…')
  // Decoding drops a character that the cut went through as U+FFFD; it goes with the broken word.
  const cut = Buffer.from(note)
    .subarray(0, room)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  const lastSpace = cut.lastIndexOf(' ')
  const words = lastSpace > room / 2 ? cut.slice(0, lastSpace) : cut
  return `${words.trimEnd()}…`
}
