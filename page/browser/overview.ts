import type { Overview } from '../views/overview.ts'
import { view } from './api.ts'
import { type Child, h } from './dom.ts'
import { badge, bar, heading, nothing, section } from './parts.ts'
import { linkTo } from './route.ts'
import { entryLine } from './time-line.ts'
import type { View } from './view.ts'
import { count, counted, spoken } from './words.ts'

/** Everything at a glance: what needs somebody first. */
export const overviewView: View<Overview> = {
  title: () => 'Overview',
  load: (_, signal) => view('overview', {}, signal),
  show: (overview, { nowMs }) => {
    const matters = mattersOf(overview)
    const { services, nodes, sessions, pools, recent } = overview
    return [
      heading(
        matters.length === 0
          ? 'All is well'
          : `${counted(matters.length, 'thing')} ${matters.length === 1 ? 'needs' : 'need'} attention`,
        h('p', { class: 'beside' }, `namespace ${overview.namespace}`),
      ),
      h(
        'dl',
        { class: 'figures' },
        ...figure('Services', services.total, linkTo('services')),
        ...figure('announced', services.announced, linkTo('services', [], { state: 'announced' })),
        ...figure(
          'not announced',
          services.assigned - services.announced,
          linkTo('services', [], { state: 'not announced' }),
          'bad',
        ),
        ...figure(
          'without address',
          services.total - services.assigned,
          linkTo('services', [], { state: 'no address' }),
          'bad',
        ),
        ...figure('nodes with a speaker', nodes.alive, linkTo('nodes'), undefined, nodes.total),
        ...(sessions.total > 0
          ? figure('BGP sessions', sessions.up, linkTo('sessions'), undefined, sessions.total)
          : []),
        ...figure('conflicts', overview.conflicts, linkTo('pools'), 'bad'),
      ),
      matters.length > 0 &&
        section(
          'To look at',
          { class: 'matters' },
          h('ul', {}, ...matters.map((matter, index) => h('li', { 'data-key': `m${index}` }, ...matter))),
        ),
      h(
        'div',
        { class: 'columns' },
        section(
          'Pools',
          {},
          pools.length === 0
            ? nothing('There is no IPAddressPool: no Service can get an address.')
            : h('ul', { class: 'pool-bars' }, ...pools.map(poolLine)),
          overview.morePools > 0 && h('p', {}, h('a', { href: linkTo('pools') }, `and ${overview.morePools} more`)),
        ),
        section(
          'Latest moves and failures',
          {},
          recent.length === 0
            ? nothing('None in the last hour, for which the cluster keeps Events.')
            : h('ol', { class: 'entries' }, ...recent.map(entry => entryLine(entry, nowMs))),
          h('p', {}, h('a', { href: linkTo('timeline') }, 'Whole time line')),
        ),
      ),
    ]
  },
}

function figure(label: string, value: number, href: string, kind?: 'bad', of?: number): readonly HTMLElement[] {
  const isBad = (kind === 'bad' && value > 0) || (of !== undefined && value < of)
  const text = of === undefined ? count(value) : `${count(value)} / ${count(of)}`
  return [h('div', { class: isBad ? 'bad' : '' }, h('dt', {}, label), h('dd', {}, h('a', { href }, text)))]
}

function mattersOf(overview: Overview): readonly (readonly Child[])[] {
  const { controller, nodes, sessions, trouble, notReady, reasons, conflicts } = overview
  return [
    ...trouble.map(text => [badge('bad', 'not seen'), h('p', {}, `This page cannot read all of the cluster. ${text}`)]),
    ...(controller.alive
      ? []
      : [[badge('bad', 'controller'), h('p', {}, 'No controller leads: nothing is given an address.')]]),
    ...nodes.wrong.map(text => [badge('bad', 'speaker'), h('p', {}, h('a', { href: linkTo('nodes') }, text))]),
    ...(conflicts > 0
      ? [
          [
            badge('bad', 'conflict'),
            h(
              'p',
              {},
              h(
                'a',
                { href: linkTo('services', [], { search: 'AddressInUse' }) },
                `${counted(conflicts, 'address')} that somebody else claims too`.replace('addresss', 'addresses'),
              ),
            ),
          ],
        ]
      : []),
    ...notReady.map(({ kind, name, reason, message }) => [
      badge('bad', kind),
      h('p', {}, h('b', {}, name), ` ${spoken(reason)}. ${message}`),
    ]),
    ...(overview.moreNotReady > 0
      ? [[badge('bad', 'objects'), h('p', {}, `and ${overview.moreNotReady} more that are not in use as written.`)]]
      : []),
    ...(sessions.up < sessions.total
      ? [
          [
            badge('bad', 'BGP'),
            h(
              'p',
              {},
              h(
                'a',
                { href: linkTo('sessions') },
                `${sessions.total - sessions.up} of ${counted(sessions.total, 'session')} down`,
              ),
            ),
          ],
        ]
      : []),
    ...(sessions.bfdDown > 0
      ? [
          [
            badge('bad', 'BFD'),
            h('p', {}, h('a', { href: linkTo('sessions') }, `${counted(sessions.bfdDown, 'session')} down`)),
          ],
        ]
      : []),
    ...reasons.map(({ what, reason, count: many, example }) => [
      badge(what === 'no address' ? 'bad' : 'warn', what),
      h(
        'p',
        {},
        h(
          'a',
          { href: linkTo('services', [], { state: what, search: reason }) },
          `${spoken(reason)}: ${counted(many, 'Service')}`,
        ),
        h(
          'span',
          { class: 'example' },
          h('a', { href: linkTo('services', example.service.split('/')) }, example.service),
          ` – ${example.message}`,
        ),
      ),
    ]),
  ]
}

function poolLine({ name, ready, usage, reason }: Overview['pools'][number]): HTMLElement {
  const families = usage.map(({ family, size, inUse }) =>
    h(
      'span',
      { class: 'family' },
      h('i', {}, family),
      bar(inUse, size, `${name} ${family}`),
      h('span', { class: 'of' }, `${count(inUse)} of ${count(size)}`),
    ),
  )
  return h(
    'li',
    { 'data-key': name },
    h('a', { href: linkTo('pools', [name]) }, name),
    h('span', { class: 'families' }, ...(ready || usage.length > 0 ? families : [badge('bad', spoken(reason))])),
  )
}
