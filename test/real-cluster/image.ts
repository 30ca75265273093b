import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gatherImage } from '../../image/assemble.ts'
import { targets } from '../../image/contents.ts'
import { cacheFolder } from '../../image/debian.ts'
import { type Architecture, writeImage } from '../../image/oci.ts'
import project from '../../package.json' with { type: 'json' }

/** By which the chart asks for it, unless its values say otherwise. */
export const imageName = imageNameOf(project.version)

/** By which the chart of that version asks for it. */
export function imageNameOf(version: string): string {
  return `ghcr.io/berth-lb/berth:${version}`
}

/** This machine's kind, as images call it. */
export const ownArchitecture: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

/**
 * The path of the image as `npm run image` builds it, from the sources as they are; takes some ten seconds. Its programs say
 * that they are of this version.
 */
export async function buildArchive(say: (line: string) => void, version: string = project.version): Promise<string> {
  const gathered = await gatherImage({ target: targets[ownArchitecture], say, version })
  const { archive } = writeImage({ name: imageNameOf(version), ...gathered })
  const folder = join(cacheFolder(), 'tested-image')
  await mkdir(folder, { recursive: true })
  const path = join(folder, `berth-${version}.tar`)
  const unfinished = `${path}.${process.pid}`
  await writeFile(unfinished, archive)
  await rename(unfinished, path)
  return path
}
