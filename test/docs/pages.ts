import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/* The Markdown that people read: docs/ with all that is in it, and what stands beside it at the top. */

/** The folder of the project. */
export const root = join(import.meta.dirname, '../..')

/** Paths of all pages, from the project's folder. */
export function pages(): readonly string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  const inDocs = docs.filter(file => file.endsWith('.md')).map(file => `docs/${file}`)
  return ['README.md', 'CONTRIBUTING.md', ...inDocs.toSorted()]
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** A page without its blocks of code and its spans of it: there nothing is a link or a heading. */
function prose(text: string): string {
  return text
    .replaceAll(/^( *)```[^]*?^\1```$/gm, '')
    .replaceAll(/`[^`\n]*`/g, code => code.replaceAll(/[[\]()#]/g, '·'))
}

/** The anchors that GitHub makes of a page's headings. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const anchor = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    let name = anchor
    for (let again = 1; anchors.has(name); again++) name = `${anchor}-${again}`
    anchors.add(name)
  }
  return anchors
}

/** Links of a page that lead nowhere: to files that are not there, and to headings that are not. */
export function brokenLinks(page: string): readonly string[] {
  const text = readPage(page)
  return linksOf(text).filter(target => {
    const [path = '', anchor] = target.split('#', 2)
    const file = path === '' ? page : normalize(join(dirname(page), path))
    if (!existsSync(join(root, file))) return true
    return anchor !== undefined && !(file.endsWith('.md') && anchorsOf(readPage(file)).has(anchor))
  })
}

/** The targets of a page's links, without those that lead out of the project. */
export function linksOf(text: string): readonly string[] {
  return Array.from(prose(text).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g), ([, target = '']) => target).filter(
    target => !/^[a-z]+:/.test(target),
  )
}
