import { glob, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { LineCounter, parseAllDocuments } from 'yaml'
import { fieldOf, listOf } from '../kube/json.ts'
import type { Manifest, ManifestProblem } from './validate.ts'

/** Manifests as they were found. */
export interface ManifestsRead {
  readonly files: number
  readonly manifests: readonly Manifest[]
  readonly unreadable: readonly ManifestProblem[]
}

/** Reads files, and everything that ends in .yaml, .yml or .json in folders, at any depth. */
export async function readManifests(paths: readonly string[]): Promise<ManifestsRead> {
  const files: string[] = []
  for (const path of paths) {
    if (path === '-') files.push(standardInput)
    else if (!(await stat(path)).isDirectory()) files.push(path)
    else {
      const found: string[] = []
      for await (const name of glob('**/*.{yaml,yml,json}', { cwd: path })) found.push(join(path, name))
      files.push(...found.sort())
    }
  }
  const read = await Promise.all(files.map(async file => parseManifests(file, await contentOf(file))))
  return {
    files: files.length,
    manifests: read.flatMap(({ manifests }) => manifests),
    unreadable: read.flatMap(({ unreadable }) => unreadable),
  }
}

const standardInput = '(standard input)'

/** Read as a stream: whoever starts this program by a socket and not by a pipe has a /dev/stdin that cannot be opened. */
function contentOf(file: string): Promise<string> {
  return file === standardInput ? text(process.stdin) : readFile(file, 'utf8')
}

/** The objects of one file: of each of its documents, and of each List among them. */
export function parseManifests(file: string, text: string): Omit<ManifestsRead, 'files'> {
  const lines = new LineCounter()
  const manifests: Manifest[] = []
  const unreadable: ManifestProblem[] = []
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    if (!('contents' in document)) continue
    const [error] = document.errors
    if (error) {
      const { line } = lines.linePos(error.pos[0])
      const [message = ''] = error.message.split('\n')
      unreadable.push({ file, line, object: '', reason: 'NotYAML', message: `${message.replace(/ at line .*/, '')}.` })
      continue
    }
    const object: unknown = document.toJS()
    if (object === null || object === undefined) continue
    const { line } = lines.linePos(document.contents?.range?.[0] ?? 0)
    const items = fieldOf(object, 'kind') === 'List' ? listOf(fieldOf(object, 'items')) : [object]
    manifests.push(...items.map(item => ({ file, line, object: item })))
  }
  return { manifests, unreadable }
}
