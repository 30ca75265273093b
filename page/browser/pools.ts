import type { Block, Cell, PoolMap, PoolSummary, Scope } from '../views/pools.ts'
import { view } from './api.ts'
import { type Child, h } from './dom.ts'
import { badge, bar, heading, nothing, section, table } from './parts.ts'
import { linkTo } from './route.ts'
import type { View } from './view.ts'
import { count, counted, percent, share, spoken } from './words.ts'

/** All pools, in the order in which they are tried. */
export const poolsView: View<readonly PoolSummary[]> = {
  title: () => 'Pools',
  load: (_, signal) => view('pools', {}, signal),
  show: pools => [
    heading('Pools', h('p', { class: 'beside' }, 'in the order in which they are tried')),
    pools.length === 0
      ? nothing('There is no IPAddressPool: no Service can get an address.')
      : table(
          'Pools',
          [
            { name: 'Pool' },
            { name: 'In use', class: 'rest' },
            { name: 'Used', class: 'number' },
            { name: 'Free', class: 'number' },
            { name: 'Ranges' },
            { name: 'Given out' },
          ],
          pools.map(pool => ({ key: pool.name, cells: poolCells(pool) })),
        ),
  ],
}

function poolCells({ name, ready, reason, message, usage, ranges, autoAssign }: PoolSummary): readonly Child[] {
  const lines = (make: (one: PoolSummary['usage'][number]) => Child): HTMLElement =>
    h('span', { class: 'stack' }, ...usage.map(one => h('span', {}, make(one))))
  return [
    h('a', { href: linkTo('pools', [name]) }, name),
    usage.length === 0
      ? h('span', { class: 'wide' }, badge('bad', spoken(reason)), ' ', message)
      : lines(({ family, size, inUse }) =>
          h('span', { class: 'family' }, h('i', {}, family), bar(inUse, size, `${name} ${family}`)),
        ),
    lines(({ inUse }) => count(inUse)),
    lines(({ size, inUse }) => count(BigInt(size) - BigInt(inUse))),
    h(
      'span',
      { class: 'addresses' },
      ranges.slice(0, 4).join(', '),
      ranges.length > 4 && ` and ${ranges.length - 4} more`,
    ),
    usage.length === 0 ? '' : !ready ? badge('bad', spoken(reason)) : autoAssign ? 'automatically' : 'only if named',
  ]
}

/** One pool as a map of its addresses. */
export const poolView: View<PoolMap> = {
  title: ({ path: [name = ''] }) => `Pool ${name}`,
  load: ({ path: [name], query: { from, to } }, signal) => view('pool', { name, from, to }, signal),
  show({ pool, path, blocks, moreRanges, holdings, moreHoldings }) {
    const link = ({ from, to }: Scope): string => linkTo('pools', [pool.name], { from, to })
    const here = path.at(-1)
    return [
      h(
        'nav',
        { class: 'path', 'aria-label': 'Where in the pool' },
        h('a', { href: linkTo('pools') }, 'Pools'),
        here ? h('a', { href: linkTo('pools', [pool.name]) }, pool.name) : undefined,
        ...path.slice(0, -1).map(scope => h('a', { href: link(scope) }, scope.label)),
      ),
      heading(
        here?.label ?? pool.name,
        here ? undefined : h('p', { class: 'beside' }, pool.autoAssign ? '' : 'given only if named'),
      ),
      !pool.ready && h('p', { class: 'matter' }, badge('bad', spoken(pool.reason)), ' ', pool.message),
      ...blocks.map(block => blockPart(block, link)),
      moreRanges > 0 && h('p', {}, `and ${counted(moreRanges, 'more range')}`),
      blocks.length > 0 && legend(),
      section(
        'In use',
        {},
        holdings.length === 0
          ? nothing('No address of it.')
          : table(
              'Addresses in use',
              [{ name: 'Address' }, { name: 'Service' }, { name: 'Note', class: 'rest' }],
              holdings.map(({ address, services, conflict }) => ({
                key: address,
                cells: [
                  h('span', { class: 'address' }, address),
                  h(
                    'span',
                    {},
                    ...services.flatMap((key, index) => [
                      index > 0 && ', ',
                      h('a', { href: linkTo('services', key.split('/')) }, key),
                    ]),
                  ),
                  conflict === undefined ? '' : h('span', { class: 'wide' }, badge('bad', 'conflict'), ' ', conflict),
                ],
              })),
            ),
        moreHoldings > 0 && h('p', {}, `and ${count(moreHoldings)} more; look into a part of it.`),
      ),
    ]
  },
}

function blockPart(block: Block, link: (scope: Scope) => string): HTMLElement {
  const { label, size, inUse, conflicts, avoided, cellSize, cells, focus } = block
  const single = cellSize === '1'
  const perRow = matchMedia('(max-width: 700px)').matches ? 16 : 32
  const free = BigInt(size) - BigInt(inUse) - BigInt(avoided)
  const rows = Array.from({ length: Math.ceil(cells.length / perRow) }, (_, row) =>
    cells.slice(row * perRow, (row + 1) * perRow),
  )
  return h(
    'section',
    { class: 'block', 'data-key': label, 'aria-label': label },
    h(
      'p',
      { class: 'facts' },
      h('b', { class: 'address' }, label),
      h('span', {}, `${count(inUse)} of ${count(size)} in use (${percent(inUse, size)})`),
      h('span', {}, `${count(free)} free`),
      avoided !== '0' && h('span', {}, `${count(avoided)} avoided`),
      conflicts > 0 && badge('bad', counted(conflicts, 'conflict')),
      h('span', { class: 'dim' }, single ? 'one address a cell' : `${count(cellSize)} addresses a cell`),
      focus && h('a', { href: link(focus) }, `Go to what is in use: ${focus.label}`),
    ),
    h(
      'div',
      {
        class: `map ${perRow === 16 ? 'narrow' : ''}`,
        role: 'group',
        'aria-label': `Map of ${label}; arrow keys move`,
        onkeydown: move,
      },
      ...rows.map((row, index) =>
        h(
          'div',
          { class: 'row', 'data-key': row[0]?.from },
          h('span', { class: 'row-label', 'aria-hidden': true }, row[0]?.from),
          ...row.map((cell, column) => cellPart(cell, single, link, index === 0 && column === 0)),
        ),
      ),
    ),
  )
}

function cellPart(cell: Cell, single: boolean, link: (scope: Scope) => string, isFirst: boolean): HTMLElement {
  const { label, size, inUse, conflicts, avoided, services = [] } = cell
  const [service] = services
  const kind = conflicts > 0 ? 'conflict' : inUse > 0 ? 'used' : avoided === size ? 'avoided' : 'free'
  const state = single ? (inUse > 0 ? services.join(', ') : kind) : `${count(inUse)} of ${count(size)} in use`
  const words = `${label}: ${state}${conflicts > 0 ? `, ${counted(conflicts, 'conflict')}` : ''}`
  // Of a large cell in which a little is in use that little has to be seen.
  const fill = inUse === 0 ? 0 : single ? 1 : 0.15 + 0.85 * share(inUse, size)
  return h('a', {
    class: `cell ${kind} ${single ? 'single' : ''}`,
    href: single ? (service ? linkTo('services', service.split('/')) : undefined) : link(cell),
    role: single && !service ? 'img' : undefined,
    tabindex: isFirst ? 0 : -1,
    title: words,
    'aria-label': words,
    style: { '--fill': `${Math.round(fill * 100)}%` },
  })
}

/** Arrow keys go from cell to cell; the map is one stop of Tab. */
function move(event: KeyboardEvent): void {
  const map = event.currentTarget as HTMLElement
  const cells = [...map.querySelectorAll<HTMLElement>('.cell')]
  const at = cells.indexOf(document.activeElement as HTMLElement)
  const perRow = map.classList.contains('narrow') ? 16 : 32
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: perRow,
    ArrowUp: -perRow,
    Home: -at,
    End: cells.length - 1 - at,
  }
  const step = steps[event.key]
  const next = step === undefined ? undefined : cells[at + step]
  if (at < 0 || !next) return
  event.preventDefault()
  for (const cell of cells) cell.tabIndex = cell === next ? 0 : -1
  next.focus()
}

function legend(): HTMLElement {
  const entry = (kind: string, text: string, fill = '100%'): HTMLElement =>
    h('li', {}, h('span', { class: `cell ${kind}`, style: { '--fill': fill } }), text)
  return h(
    'ul',
    { class: 'legend', 'aria-label': 'Legend' },
    entry('free', 'free', '0%'),
    entry('used', 'a little in use', '25%'),
    entry('used', 'in use'),
    entry('avoided', 'never given out'),
    entry('conflict single', 'somebody else claims it too'),
  )
}
