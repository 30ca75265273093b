import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Target } from './contents.ts'
import { cacheFolder, moveUnlessThere } from './debian.ts'
import type { LockFile } from './ingredients.ts'

const root = join(import.meta.dirname, '..')

/** Where Node for the target lies (`bin/node`, `LICENSE`): in node_modules for this processor, else fetched by npm. */
export async function nodeFolder(target: Target, lock: LockFile, say: (line: string) => void): Promise<string> {
  const name = `node-linux-${target.node}`
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {}
  if (!version || !integrity) throw new Error(`package-lock.json has no ${name}: run node test/lockfile.ts`)
  const installed = join(root, 'node_modules', name)
  if ((await versionIn(installed)) === version) return installed
  const cached = join(cacheFolder(), `${name}-${version}`)
  if ((await versionIn(cached)) === version) return cached

  say(`fetching ${name} ${version} from npm`)
  await mkdir(cacheFolder(), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(), `.${name}-`))
  try {
    await promisify(execFile)('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${version}`])
    const [file = ''] = await readdir(folder)
    const [algorithm = '', expected] = integrity.split('-')
    const digest = createHash(algorithm)
      .update(await readFile(join(folder, file)))
      .digest('base64')
    if (digest !== expected) throw new Error(`${file} is not what package-lock.json says: ${algorithm}-${digest}`)
    await promisify(execFile)('tar', ['-xzf', join(folder, file), '-C', folder])
    await moveUnlessThere(join(folder, 'package'), cached)
    return cached
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function versionIn(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  return (JSON.parse(text) as { version?: string }).version
}
