import type { Rule } from '../charts/rights.ts'
import { readPage } from './pages.ts'

/* The tables of docs/security.md as values. */

/** The rows of the table under a heading, as cells. */
export function rowsUnder(heading: string): readonly (readonly string[])[] {
  const sections = readPage('docs/security.md').split(/^##+ /m)
  const section = sections.find(part => part.startsWith(`${heading}\n`)) ?? ''
  return section
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map(line => line.slice(2, -2).split(' | '))
}

/** A rule as the page tells it. */
export interface RuleTold extends Rule {
  /** The only objects that it is about, if not all. */
  readonly resourceNames: readonly string[]
}

/** What the table under a heading says is granted, in all namespaces or in Berth's own. */
export function rightsTold(heading: string, place: 'everywhere' | 'its own'): readonly RuleTold[] {
  return rowsUnder(heading)
    .filter(([where]) => where === place)
    .map(([, group = '', resources = '', verbs = '']) => {
      const [all = '', alone = ''] = resources.split(' (of them ', 2)
      return {
        apiGroups: group === 'core' ? [''] : codeIn(group),
        resources: codeIn(all),
        resourceNames: codeIn(alone),
        verbs: verbs.split(', '),
      }
    })
}

/** What stands between backquotes. */
function codeIn(cell: string): readonly string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, text = '']) => text)
}
