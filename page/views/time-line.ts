import type { Snapshot } from '../../cli/snapshot.ts'
import type { SpeakerView, StatusView } from '../../cli/status.ts'
import { formatBecause } from '../../speaker/layer2/record.ts'
import type { LoggedEvent } from '../event-log.ts'

/*
 * What happened, from three sources: the Events that both programs write, which the API server keeps for an hour; the
 * records by which nodes have addresses, each of which tells of its last move and why; and, while somebody looks, the
 * comings and goings of speakers and leaders, of which nobody makes an Event.
 */

/** Something that happened. */
export interface TimeLineEntry {
  readonly id: string
  readonly atMs: number
  readonly kind: 'move' | 'failure' | 'recovery' | 'other'
  readonly reason: string
  readonly text: string
  /** What it is about: kind and name. */
  readonly about: { readonly kind: string; readonly name: string }
  readonly by: string
  readonly count: number
}

/** Which of it, and which part of what is found. */
export interface TimeLineQuery {
  readonly search: string
  readonly kinds: readonly TimeLineEntry['kind'][]
  readonly offset: number
  readonly limit: number
}

export interface TimeLinePage {
  readonly listed: number
  readonly entries: readonly TimeLineEntry[]
}

export function timeLinePage(entries: readonly TimeLineEntry[], query: TimeLineQuery): TimeLinePage {
  const words = query.search.toLowerCase().split(/\s+/).filter(Boolean)
  const found = entries.filter(({ kind, reason, text, about, by }) => {
    if (query.kinds.length > 0 && !query.kinds.includes(kind)) return false
    const all = `${reason} ${text} ${about.kind} ${about.name} ${by}`.toLowerCase()
    return words.every(word => all.includes(word))
  })
  return { listed: found.length, entries: found.slice(query.offset, query.offset + query.limit) }
}

/** All sources, latest first. */
export function timeLineOf(...sources: readonly (readonly TimeLineEntry[])[]): readonly TimeLineEntry[] {
  return sources.flat().sort((one, other) => other.atMs - one.atMs || (one.id < other.id ? -1 : 1))
}

const recoveries: ReadonlySet<string> = new Set(['SessionUp', 'Announcing', 'Recovered'])

/** An Event as an entry. */
export function entryOfEvent(event: LoggedEvent): TimeLineEntry {
  const { key, atMs, warning, reason, note, kind, regarding, by, count } = event
  return {
    id: `event ${key}`,
    atMs,
    kind: warning ? 'failure' : recoveries.has(reason) ? 'recovery' : 'other',
    reason,
    text: note,
    about: { kind, name: regarding },
    by,
    count,
  }
}

/** The moves that records tell of: each the last of its Service. */
export function movesIn({ records, announcedSince }: Snapshot): readonly TimeLineEntry[] {
  return [...records.values()].flatMap(({ key, namespace, name, claim, published }) => {
    const since = announcedSince.get(key)
    const atMs = Date.parse(since ?? '')
    if (!claim?.from || !published || claim.node !== published.node || Number.isNaN(atMs)) return []
    return [
      {
        id: `move ${key} ${since}`,
        atMs,
        kind: 'move' as const,
        reason: claim.because,
        text: `${published.addresses.join(', ')} moved from ${claim.from} to ${claim.node}: ${formatBecause(claim)}`,
        // A record is called after its Service and the first eight characters of its uid.
        about: { kind: 'Service', name: `${namespace}/${name.slice(0, -9)}` },
        by: claim.node,
        count: 1,
      },
    ]
  })
}

/** What has become of speakers and of the controller's leadership between two looks. */
export function changesBetween(before: StatusView, after: StatusView): readonly TimeLineEntry[] {
  const known = new Map(before.speakers.map(speaker => [speaker.node, speaker]))
  const speakers = after.speakers.flatMap(speaker => {
    const state = known.get(speaker.node)?.state
    return state === undefined || state === speaker.state ? [] : [speakerEntry(speaker, after.takenAtMs)]
  })
  const { leader } = after.controller
  if (leader === before.controller.leader) return speakers
  const text = leader === undefined ? 'no controller leads' : `${leader} leads from now on`
  const entry: TimeLineEntry = {
    id: `leader ${after.takenAtMs}`,
    atMs: after.takenAtMs,
    kind: leader === undefined ? 'failure' : 'other',
    reason: 'Leader',
    text,
    about: { kind: 'Lease', name: 'berth-controller' },
    by: leader ?? '',
    count: 1,
  }
  return [...speakers, entry]
}

function speakerEntry({ node, state }: SpeakerView, atMs: number): TimeLineEntry {
  const texts = {
    alive: 'its speaker is there again',
    leaving: 'its speaker is stopping and hands over what it announces',
    gone: 'its speaker no longer renews its Lease',
    missing: 'its speaker has left',
  }
  return {
    id: `speaker ${node} ${atMs}`,
    atMs,
    kind: state === 'alive' ? 'recovery' : state === 'leaving' ? 'other' : 'failure',
    reason: state === 'alive' ? 'SpeakerBack' : state === 'leaving' ? 'SpeakerLeaving' : 'SpeakerGone',
    text: `${node}: ${texts[state]}`,
    about: { kind: 'Node', name: node },
    by: node,
    count: 1,
  }
}
