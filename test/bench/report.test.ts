import { expect, test } from 'vitest'
import { table, withSections } from './report.ts'

test('a section that was measured again replaces its old self; others stay where they are', () => {
  const before = '# Benchmarks\n\nWords.\n\n## A\n\nold\n\n## B\n\nstays\n'
  expect(withSections(before, ['## A\n\nnew\n', '## C\n\nmore\n'])).toBe(
    '# Benchmarks\n\nWords.\n\n## A\n\nnew\n\n## B\n\nstays\n\n## C\n\nmore\n',
  )
  expect(withSections('# Benchmarks\n', ['## A\n\nnew\n'])).toBe('# Benchmarks\n\n## A\n\nnew\n')
})

test('numbers go to the right of their column, words to the left', () => {
  expect(table(['who', 'time'], [['Berth', '5 ms']])).toBe('| who   | time |\n| ----- | ---: |\n| Berth | 5 ms |')
})
