import type { TimeLineEntry, TimeLinePage } from '../views/time-line.ts'
import { view } from './api.ts'
import { h } from './dom.ts'
import { badge, choices, heading, nothing } from './parts.ts'
import { linkTo } from './route.ts'
import type { View } from './view.ts'
import { clock, count, day, since, spoken } from './words.ts'

const kinds = { move: 'moves', failure: 'failures', recovery: 'recoveries', other: 'the rest' } as const
const colours = { move: 'plain', failure: 'bad', recovery: 'good', other: 'plain' } as const

/** What happened: moves, failures, and all else that somebody was told of. */
export const timeLineView: View<TimeLinePage> = {
  title: () => 'Time line',
  load: ({ query }, signal) =>
    view('timeline', { kinds: query['kinds'], search: query['search'], limit: query['limit'] ?? 200 }, signal),
  show({ listed, entries }, { route, nowMs }) {
    const { kinds: chosen, search } = route.query
    const link = (kinds: string | undefined): string => linkTo('timeline', [], { kinds, search })
    const days = Map.groupBy(entries, ({ atMs }) => day(atMs))
    return [
      heading('Time line', h('p', { class: 'beside' }, `${count(listed)} entries`)),
      choices('Which entries', [
        { text: 'all', href: link(undefined), chosen: !chosen },
        ...Object.entries(kinds).map(([kind, text]) => ({ text, href: link(kind), chosen: chosen === kind })),
      ]),
      entries.length === 0 &&
        nothing('Nothing. The cluster forgets Events after an hour; moves stay with their Services.'),
      ...[...days].map(([name, entries]) =>
        h(
          'section',
          { 'data-key': name, 'aria-label': name },
          h('h2', {}, name),
          h('ol', { class: 'entries long' }, ...entries.map(entry => entryLine(entry, nowMs, true))),
        ),
      ),
      listed > entries.length &&
        h(
          'p',
          {},
          h(
            'a',
            { href: linkTo('timeline', [], { kinds: chosen, search, limit: '500' }) },
            `Show more of ${count(listed)}`,
          ),
        ),
    ]
  },
}

/** One thing that happened. */
export function entryLine(entry: TimeLineEntry, nowMs: number, isLong = false): HTMLElement {
  const { id, atMs, kind, reason, text, about, by, count: times } = entry
  const place = about.kind === 'Service' ? linkTo('services', about.name.split('/')) : undefined
  return h(
    'li',
    { 'data-key': id, class: kind },
    h(
      'time',
      { datetime: new Date(atMs).toISOString(), title: new Date(atMs).toLocaleString('en-GB') },
      isLong ? clock(atMs) : since(atMs, nowMs),
    ),
    badge(colours[kind], kind === 'move' ? 'moved' : spoken(reason)),
    h(
      'p',
      {},
      place ? h('a', { href: place }, about.name) : h('b', {}, `${about.kind} ${about.name}`),
      h('span', {}, text),
      times > 1 && h('i', {}, `${count(times)} times`),
      isLong && by !== '' && h('i', {}, `by ${by}`),
    ),
  )
}
