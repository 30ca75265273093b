import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Unpacks an image's archive, layer by layer as a container runtime does, and says where the root of its files is. */
export async function unpackImage(archive: Uint8Array, folder: string): Promise<string> {
  const root = join(folder, 'root')
  const layout = join(folder, 'layout')
  for (const one of [root, layout]) await mkdir(one, { recursive: true })
  const untar = promisify(execFile)('tar', ['-x', '-f', '-', '-C', layout])
  untar.child.stdin?.end(archive)
  await untar
  const read = async (path: string) => JSON.parse(await readFile(join(layout, path), 'utf8'))
  const blob = (digest: string): string => `blobs/${digest.replace(':', '/')}`
  const { manifests } = await read('index.json')
  const { layers } = (await read(blob(manifests[0].digest))) as { layers: readonly { digest: string }[] }
  for (const { digest } of layers) await promisify(execFile)('tar', ['-xzf', join(layout, blob(digest)), '-C', root])
  return root
}
