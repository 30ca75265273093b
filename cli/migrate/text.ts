import { stringify } from 'yaml'
import type { Paint } from '../paint.ts'
import { wrap } from '../table.ts'
import type { BerthObject } from './convert.ts'
import type { Remark, RemarkWeight } from './remark.ts'

/** Objects as kubectl applies them. */
export function manifestText(objects: readonly BerthObject[]): string {
  return objects.map(object => stringify(object, { lineWidth: 0, version: '1.1' })).join('---\n')
}

const headings: Readonly<Record<RemarkWeight, string>> = {
  lost: 'Not carried over',
  todo: 'To be done by hand',
  differs: 'Carried over, and means something else',
  changed: 'Written otherwise, so that it means the same',
}

/** What is not the same afterwards, the most important first; empty where there is nothing. */
export function remarksText(remarks: readonly Remark[], paint: Paint): string {
  const groups = Map.groupBy(remarks, ({ weight }) => weight)
  return Array.from(groups, ([weight, own]) => {
    const entries = own.map(({ object, field, what, todo }) => {
      const head = paint.bold([object, field].filter(text => text !== '').join('  '))
      return `  ${head}\n${wrap(what, '      ')}${todo === '' ? '' : wrap(`→ ${todo}`, '      ')}`
    })
    return `${weight === 'changed' ? headings[weight] : paint.warn(headings[weight])}\n${entries.join('')}`
  }).join('\n')
}
