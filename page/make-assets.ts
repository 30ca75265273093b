import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Asset } from './assets.ts'

const folder = join(import.meta.dirname, 'browser')

/** Makes the files that a browser gets: one document, one script, one style, one icon. */
export async function makeAssets(): Promise<readonly Asset[]> {
  const [document, icon, { outputFiles }] = await Promise.all([
    readFile(join(folder, 'index.html'), 'utf8'),
    readFile(join(folder, 'icon.svg'), 'utf8'),
    build({
      absWorkingDir: folder,
      entryPoints: ['main.ts', 'style.css'],
      outdir: folder,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      charset: 'utf8',
      write: false,
      logLevel: 'warning',
    }),
  ])
  const outputOf = (extension: string): string => outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? ''
  const files = [
    hashed('main.js', 'text/javascript; charset=utf-8', outputOf('.js')),
    hashed('style.css', 'text/css; charset=utf-8', outputOf('.css')),
    hashed('icon.svg', 'image/svg+xml', icon),
  ]
  const named = files.reduce((text, { path, name }) => text.replaceAll(`{{${name}}}`, path.slice(1)), document)
  return [{ path: '/', contentType: 'text/html; charset=utf-8', text: named, tag: tagOf(named) }, ...files]
}

function hashed(name: string, contentType: string, text: string): Asset & { readonly name: string } {
  const [stem, extension] = name.split('.')
  const tag = tagOf(text)
  return { name, path: `/assets/${stem}-${tag.slice(1, 11)}.${extension}`, contentType, text, tag }
}

function tagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('hex').slice(0, 20)}"`
}
