import { type Child, h } from './dom.ts'
import { percent, share, since } from './words.ts'

/** A heading of a view with what belongs beside it. */
export function heading(text: string, ...beside: readonly Child[]): HTMLElement {
  return h('div', { class: 'heading' }, h('h1', {}, text), ...beside)
}

export function section(
  title: string,
  attributes: { readonly class?: string },
  ...children: readonly Child[]
): HTMLElement {
  return h('section', { ...attributes, 'aria-label': title }, h('h2', {}, title), ...children)
}

/** A word with the colour of what it means; the word alone says it too. */
export function badge(kind: 'good' | 'warn' | 'bad' | 'plain', text: string): HTMLElement {
  return h('span', { class: `badge ${kind}` }, text)
}

/** A table. Cells of a column with `class: number` are set to the right. */
export function table(
  caption: string,
  columns: readonly { readonly name: string; readonly class?: string }[],
  rows: readonly { readonly key: string; readonly cells: readonly Child[] }[],
): HTMLElement {
  const head = columns.map(column => h('th', { scope: 'col', class: column.class }, column.name))
  const body = rows.map(({ key, cells }) =>
    h(
      'tr',
      { 'data-key': key },
      ...cells.map((cell, index) =>
        index === 0
          ? h('th', { scope: 'row', class: columns[index]?.class }, cell)
          : h('td', { class: columns[index]?.class }, cell),
      ),
    ),
  )
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, ...head)),
      h('tbody', {}, ...body),
    ),
  )
}

/** How full something is, with the figure beside it. */
export function bar(part: string, whole: string, label: string): HTMLElement {
  const filled = share(part, whole)
  const kind = filled >= 1 ? 'full' : filled >= 0.9 ? 'nearly' : ''
  const shown = part === '0' ? 0 : Math.max(0.5, filled * 100)
  return h(
    'span',
    { class: `bar-line ${kind}`, role: 'img', 'aria-label': `${label}: ${percent(part, whole)} in use` },
    h('span', { class: 'bar-track' }, h('span', { class: 'bar-fill', style: { width: `${shown}%` } })),
    h('span', { class: 'bar-figure' }, percent(part, whole)),
  )
}

/** How long ago, with the exact time for whoever points at it. */
export function age(time: string | number | undefined, nowMs: number): Child {
  const text = since(time, nowMs)
  if (text === '') return '–'
  const exact = new Date(time ?? 0)
  return h('time', { datetime: exact.toISOString(), title: exact.toLocaleString('en-GB') }, text)
}

/** Said where there is nothing to show, with what to do. */
export function nothing(text: string, ...more: readonly Child[]): HTMLElement {
  return h('p', { class: 'nothing' }, text, ...more)
}

/** Choices of which one holds, as links that can be shared. */
export function choices(
  label: string,
  options: readonly {
    readonly text: string
    readonly count?: string
    readonly href: string
    readonly chosen: boolean
  }[],
): HTMLElement {
  return h(
    'div',
    { class: 'choices', role: 'group', 'aria-label': label },
    ...options.map(({ text, count, href, chosen }) =>
      h('a', { href, 'aria-current': chosen ? 'true' : undefined }, text, count !== undefined && h('b', {}, count)),
    ),
  )
}
