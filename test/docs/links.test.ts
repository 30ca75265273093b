import { expect, test } from 'vitest'
import { anchorsOf, brokenLinks, linksOf, pages } from './pages.ts'

test.each(pages())('every link of %s leads to a file and to a heading that are there', page => {
  expect(brokenLinks(page)).toEqual([])
})

test('links are looked for everywhere', () => {
  expect(pages().length).toBeGreaterThan(8)
  expect(linksOf('[a](b.md#c), `[no](code)`, [out](https://example.com)\n```\n[no](fence)\n```\n')).toEqual(['b.md#c'])
})

test('headings have the anchors that GitHub gives them', () => {
  const text =
    '# Upgrade, and `kubectl`: what it does\n```\n# no heading\n```\n## Twice\n## Twice\n## [Linked](x.md) word\n'
  expect([...anchorsOf(text)]).toEqual(['upgrade-and-kubectl-what-it-does', 'twice', 'twice-1', 'linked-word'])
})
