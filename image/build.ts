/**
 * `npm run image`: the image of both programs, with the list of what is in it, in dist/image/. Wants Debian 12 (or a
 * container of it) and no Docker: everything comes from npm's and Debian's packages, of pinned versions, and the archive
 * is written by oci.ts. What comes out is the same every time, as long as the C compiler is.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import project from '../package.json' with { type: 'json' }
import { type Gathered, gatherImage } from './assemble.ts'
import { targets } from './contents.ts'
import { type Architecture, writeImage } from './oci.ts'
import { writeSbom } from './sbom.ts'
import type { TarEntry } from './tar.ts'

const { values } = parseArgs({
  options: {
    arch: { type: 'string', multiple: true, default: [process.arch === 'arm64' ? 'arm64' : 'amd64'] },
    name: { type: 'string', default: `ghcr.io/berth-lb/berth:${project.version}` },
    folder: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const unknown = values.arch.filter(arch => !(arch in targets))
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) process.stdout.write(`There is no image for ${unknown.join(' or ')}.\n\n`)
  process.stdout.write(`npm run image -- [--arch amd64] [--arch arm64] [--name REPOSITORY:TAG] [--folder FOLDER]

Writes dist/image/berth-ARCH.tar (an OCI image: ctr images import, docker load, skopeo copy oci-archive:…) and
dist/image/berth-ARCH.spdx.json. SOURCE_DATE_EPOCH is the time that the latter bears.
With --folder the files are written there instead, as in the root of a container: the Dockerfile wants that.
`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

const output = join(import.meta.dirname, '../dist/image')
const createdAt = new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000)
const say = (line: string): void => void process.stdout.write(`${line}\n`)

for (const architecture of values.arch as Architecture[]) {
  const gathered = await gatherImage({ target: targets[architecture], say })
  if (values.folder === undefined) await writeArchive(architecture, gathered)
  else for (const { entries } of gathered.layers) await writeFiles(values.folder, entries)
}

async function writeArchive(architecture: Architecture, gathered: Gathered): Promise<void> {
  say(`writing the image for ${architecture}`)
  const image = writeImage({ name: values.name, ...gathered })
  await mkdir(output, { recursive: true })
  await writeFile(join(output, `berth-${architecture}.tar`), image.archive)
  await writeFile(join(output, `berth-${architecture}.spdx.json`), writeSbom(gathered.ingredients, createdAt))
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  say(`dist/image/berth-${architecture}.tar: ${values.name}, ${image.digest}`)
  if (!gathered.isPinned) say('NOTE: not of the pinned packages, so its digest is not what others get')
  say(`${megabytes(image.compressedBytes)} to fetch, ${megabytes(image.uncompressedBytes)} on a node's disk`)
}

async function writeFiles(folder: string, entries: readonly TarEntry[]): Promise<void> {
  for (const entry of entries) {
    const path = join(folder, entry.path)
    await mkdir(entry.kind === 'directory' ? path : dirname(path), { recursive: true })
    if (entry.kind === 'file') await writeFile(path, entry.content, { mode: entry.executable ? 0o755 : 0o644 })
  }
}
