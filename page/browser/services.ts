import type { ServicePage, ServiceRow, ServiceState } from '../views/services.ts'
import { view } from './api.ts'
import { type Child, h, morph } from './dom.ts'
import { age, badge, choices, heading, nothing } from './parts.ts'
import { linkTo, type Route } from './route.ts'
import type { Moment, View } from './view.ts'
import { count, spoken } from './words.ts'

/*
 * The list of Services, however long: of all its rows only those in sight and some around them are in the document and
 * asked of the server, which searches and sorts. Rows are of one height, so where a row stands follows from its number.
 */

const rowHeight = 32
const around = 40

const columns = [
  { name: 'Service', sort: 'name' },
  { name: 'State', sort: 'state' },
  { name: 'Addresses', sort: 'address' },
  { name: 'Pool', sort: undefined },
  { name: 'Node', sort: 'node' },
  { name: 'Since', sort: 'since' },
  { name: 'Reason', sort: undefined },
] as const

/** What of the list is known, for one search and order. */
interface Known {
  readonly id: string
  readonly rows: Map<number, ServiceRow>
  scroller: HTMLElement | undefined
  loading: AbortController | undefined
}

let known: Known | undefined

export const servicesView: View<ServicePage> = {
  title: () => 'Services',
  load: ({ query }, signal) => {
    const first = known?.id === idOf(query) ? firstInSight(known) : 0
    return part(query, Math.max(0, first - around), signal)
  },
  show(page, at) {
    const { query } = at.route
    const id = idOf(query)
    // Whatever was known may have changed; what came now is true.
    known = { id, rows: new Map(), scroller: known?.id === id ? known.scroller : undefined, loading: undefined }
    keep(known, page)
    const link = (state: ServiceState | undefined): string => linkTo('services', [], { ...query, state })
    const { found } = page
    const all = found.announced + found['not announced'] + found['no address']
    return [
      heading(
        'Services',
        h(
          'p',
          { class: 'beside' },
          query['search']
            ? `${count(all)} of ${count(page.total)} match “${query['search']}”`
            : `${count(page.total)} of type LoadBalancer`,
        ),
      ),
      choices('Which Services', [
        { text: 'all', count: count(all), href: link(undefined), chosen: !query['state'] },
        ...(['announced', 'not announced', 'no address'] as const).map(state => ({
          text: state,
          count: count(found[state]),
          href: link(state),
          chosen: query['state'] === state,
        })),
      ]),
      page.listed === 0
        ? nothing(page.total === 0 ? 'There is no Service of type LoadBalancer.' : 'None.')
        : list(page, at),
    ]
  },
  opened() {
    if (known) {
      known.scroller = document.querySelector<HTMLElement>('.rows') ?? undefined
      if (known.scroller) known.scroller.scrollTop = 0
    }
  },
}

function list(page: ServicePage, at: Moment): HTMLElement {
  const { query } = at.route
  const sort = query['sort'] ?? 'name'
  const head = columns.map(column =>
    h(
      'th',
      { scope: 'col', 'aria-sort': column.sort === sort ? 'ascending' : undefined },
      column.sort
        ? h(
            'a',
            { href: linkTo('services', [], { ...query, sort: column.sort === 'name' ? '' : column.sort }) },
            column.name,
          )
        : column.name,
    ),
  )
  return h(
    'div',
    {
      class: 'scroll rows',
      tabindex: 0,
      role: 'region',
      'aria-label': 'List of Services',
      onscroll: (event: Event) => scrolled(event.currentTarget as HTMLElement, page, at),
      onkeydown: step,
    },
    h(
      'table',
      { 'aria-rowcount': page.listed + 1 },
      h('caption', { class: 'hidden' }, 'Services'),
      h('thead', {}, h('tr', { 'aria-rowindex': 1 }, ...head)),
      h('tbody', {}, ...body(page, at)),
    ),
  )
}

/** The rows in sight between two empty ones as high as all the others. */
function body({ listed }: ServicePage, { nowMs }: Moment): readonly Child[] {
  if (!known) return []
  const first = Math.max(0, firstInSight(known) - around)
  const last = Math.min(listed, first + inSight(known) + 2 * around)
  const rows: Child[] = []
  for (let index = first; index < last; index++) rows.push(rowPart(known.rows.get(index), index, nowMs))
  const gap = (key: string, many: number): Child =>
    h('tr', { class: 'gap', 'aria-hidden': true, 'data-key': key, style: { height: `${many * rowHeight}px` } })
  return [gap('above', first), ...rows, gap('below', listed - last)]
}

function rowPart(row: ServiceRow | undefined, index: number, nowMs: number): HTMLElement {
  const attributes = { 'aria-rowindex': index + 2, class: index % 2 ? 'odd' : '' }
  if (!row)
    return h('tr', attributes, ...columns.map((_, column) => (column === 0 ? h('th', { scope: 'row' }, '…') : h('td'))))
  const { service, state, addresses, pool, nodes, since, reason, message } = row
  const isWell = state === 'announced'
  return h(
    'tr',
    attributes,
    h('th', { scope: 'row', title: service }, h('a', { href: linkTo('services', service.split('/')) }, service)),
    h('td', {}, badge(isWell ? 'good' : state === 'no address' ? 'bad' : 'warn', state)),
    h('td', { class: 'address', title: addresses.join(', ') }, addresses.join(', ') || '–'),
    h('td', {}, pool ?? '–'),
    h(
      'td',
      { title: nodes.join(', ') },
      `${nodes[0] ?? '–'}${nodes.length > 1 ? ` and ${nodes.length - 1} more` : ''}`,
    ),
    h('td', { class: 'number' }, age(since, nowMs)),
    h(
      'td',
      { class: 'why', title: message },
      isWell ? h('span', { class: 'dim' }, message) : `${spoken(reason)}: ${message}`,
    ),
  )
}

function scrolled(scroller: HTMLElement, page: ServicePage, at: Moment): void {
  if (!known) return
  known.scroller = scroller
  draw(page, at)
  const first = firstInSight(known)
  const last = Math.min(page.listed, first + inSight(known))
  const isMissing = Array.from({ length: last - first }, (_, index) => first + index).some(
    index => !known?.rows.has(index),
  )
  if (!isMissing) return
  known.loading?.abort()
  const loading = new AbortController()
  const mine = known
  mine.loading = loading
  void fill(mine, Math.max(0, first - around), loading.signal, page, at)
}

async function fill(mine: Known, offset: number, signal: AbortSignal, page: ServicePage, at: Moment): Promise<void> {
  try {
    keep(mine, await part(at.route.query, offset, signal))
    if (known === mine) draw(page, at)
  } catch {
    // Scrolled on; or the whole list, which is asked for again at the next change, says what is wrong.
  }
}

function draw(page: ServicePage, at: Moment): void {
  const rows = known?.scroller?.querySelector('tbody')
  if (rows) morph(rows, body(page, at))
}

/** Up and down go from Service to Service. */
function step(event: KeyboardEvent): void {
  const direction = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
  const focused = document.activeElement
  if (direction === 0 || !(focused instanceof HTMLAnchorElement)) return
  const links = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLAnchorElement>('tbody a')]
  const next = links[links.indexOf(focused) + direction]
  if (!next) return
  event.preventDefault()
  next.focus({ preventScroll: true })
  next.scrollIntoView({ block: 'nearest' })
}

function part(query: Route['query'], offset: number, signal: AbortSignal): Promise<ServicePage> {
  const { search, state, sort } = query
  const limit = inSight(known) + 2 * around
  return view('services', { search, state, sort, offset, limit: Math.min(500, limit) }, signal)
}

function keep({ rows }: Known, page: ServicePage): void {
  for (const [index, row] of page.rows.entries()) rows.set(page.offset + index, row)
}

function firstInSight(list: Known): number {
  return Math.floor((list.scroller?.scrollTop ?? 0) / rowHeight)
}

function inSight(list: Known | undefined): number {
  return Math.ceil((list?.scroller?.clientHeight || window.innerHeight) / rowHeight) + 1
}

function idOf({ search = '', state = '', sort = '' }: Route['query']): string {
  return JSON.stringify([search, state, sort])
}
