import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { plain } from '../../cli/paint.ts'
import { createProgram } from '../../cli/program.ts'
import { pages, readPage, root } from './pages.ts'

/* docs/cli.md and the README beside the program: what they show is what the program's tests make of it. */

const page = readPage('docs/cli.md')

describe('what the pages show of kubectl berth', () => {
  const shown = pages().flatMap(page =>
    Array.from(readPage(page).matchAll(/<!-- golden: (\S+) -->\n```\n([^]*?)```/g), ([, name = '', text]) => {
      return [page, name, text] as const
    }),
  )

  test('is there', () => expect(new Set(shown.map(([page]) => page))).toEqual(new Set(['README.md', 'docs/cli.md'])))

  test.each(shown)('%s shows %s word for word', (_, name, text) => {
    expect(text).toBe(readFileSync(join(root, 'test/cli/golden', name), 'utf8'))
  })
})

describe('docs/cli.md', () => {
  test('names every option that is in an example', () => {
    const options = new Set(
      program().commands.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short])),
    )
    const used = Array.from(
      page.matchAll(/kubectl berth \w+[^\n|`]*/g),
      ([line]) => line.match(/ --?[a-z-]+/g) ?? [],
    ).flat()
    expect(used.length).toBeGreaterThan(3)
    const unknown = used.map(option => option.trim()).filter(option => option !== '--help' && !options.has(option))
    expect(unknown).toEqual([])
  })
})

function program() {
  const nothing = (): void => {}
  return createProgram({ write: nothing, complain: nothing, setExitCode: nothing, environment: {}, paint: plain })
}
