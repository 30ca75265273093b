/**
 * `node test/charts/crds.ts`: the CRDs of /crds for the chart. Helm installs what is in `crds/` first of all and never
 * updates it; templates/crds.yaml renders the same files for releases that own them, which is what the marks here say.
 * It brings docs/configuration.md up to date too, which is made of the same files.
 */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeConfigurationPage } from '../docs/configuration.ts'

const source = join(import.meta.dirname, '../../crds')
const target = join(import.meta.dirname, '../../charts/berth/crds')

const marks = `\
  labels:
    app.kubernetes.io/part-of: berth
    app.kubernetes.io/managed-by: Helm
  annotations:
    helm.sh/resource-policy: keep
    meta.helm.sh/release-name: berth
    meta.helm.sh/release-namespace: berth-system
`

/** What the chart's `crds/` is to hold, by the name of the file. */
export async function chartCrds(): Promise<ReadonlyMap<string, string>> {
  const files = (await readdir(source)).filter(file => file.endsWith('.yaml')).toSorted()
  const texts = await Promise.all(
    files.map(async file => markedAsOwned(file, await readFile(join(source, file), 'utf8'))),
  )
  return new Map(files.map((file, index) => [file, texts[index] ?? '']))
}

function markedAsOwned(file: string, text: string): string {
  const metadata = /^metadata:\n {2}name: \S+\n/m
  const place = metadata.exec(text)
  if (!place || text.slice(place.index + place[0].length).startsWith('  '))
    throw new Error(`crds/${file}: expected a name and nothing else in its metadata`)
  return `# Copied from /crds/${file} by test/charts/crds.ts: change it there.\n${text.replace(metadata, found => found + marks)}`
}

if (import.meta.main) {
  await mkdir(target, { recursive: true })
  for (const [file, text] of await chartCrds()) await writeFile(join(target, file), text)
  writeConfigurationPage()
}
