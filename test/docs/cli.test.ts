import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { plain } from '../../cli/paint.ts'
import { createProgram } from '../../cli/program.ts'

/* docs/cli.md beside the program: what it shows is what the program's tests make of it. */

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/cli.md'), 'utf8')

describe('docs/cli.md', () => {
  const shown = Array.from(page.matchAll(/<!-- golden: (\S+) -->\n```\n([^]*?)```/g), ([, name = '', text]) => [
    name,
    text,
  ])

  test('shows outputs', () => expect(shown.length).toBeGreaterThan(1))

  test.each(shown)('%s is shown word for word', (name, text) => {
    expect(text).toBe(readFileSync(join(root, 'test/cli/golden', name ?? ''), 'utf8'))
  })

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
