import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gatherImage } from '../../image/assemble.ts'
import { targets } from '../../image/contents.ts'
import { cacheFolder } from '../../image/debian.ts'
import { type Architecture, writeImage } from '../../image/oci.ts'
import project from '../../package.json' with { type: 'json' }

/** By which the chart asks for it, unless its values say otherwise. */
export const imageName = `ghcr.io/berth-lb/berth:${project.version}`

/** This machine's kind, as images call it. */
export const ownArchitecture: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

/** The path of the image as `npm run image` builds it, from the sources as they are; takes some ten seconds. */
export async function buildArchive(say: (line: string) => void): Promise<string> {
  const gathered = await gatherImage({ target: targets[ownArchitecture], say })
  const { archive } = writeImage({ name: imageName, ...gathered })
  const folder = join(cacheFolder(), 'tested-image')
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'berth.tar')
  const unfinished = `${path}.${process.pid}`
  await writeFile(unfinished, archive)
  await rename(unfinished, path)
  return path
}
