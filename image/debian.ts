/**
 * Debian's packages, fetched and unpacked in a cache folder and never installed: the C library of the image, a compiler
 * for the other processor, the container runtime of the tests. apt keeps its lists in that folder too, so neither root is
 * needed nor an apt of the same processor, and what is installed on the machine stays as it is.
 */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Architecture } from './oci.ts'

/** What is wanted: this version, which is these very bytes. */
export interface DebianPin {
  readonly name: string
  readonly version: string
  readonly sha256: string
}

/** Packages that are unpacked into one folder. */
export interface Unpacked {
  readonly folder: string
  /** As they are, which may not be as they were pinned: archives drop a version when a security fix replaces it. */
  readonly packages: readonly DebianPin[]
  readonly isPinned: boolean
}

type Say = (line: string) => void

/** Where things stay that are fetched or built once per machine. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
}

/** The packages, unpacked together; from the cache where they have been fetched before. */
export async function unpackDebian(
  name: string,
  pins: readonly DebianPin[],
  architecture: Architecture,
  say: Say,
): Promise<Unpacked> {
  const wanted = folderOf(name, pins, architecture)
  if (await isThere(wanted)) return { folder: wanted, packages: pins, isPinned: true }
  await mkdir(cacheFolder(), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(), `.${name}-`))
  try {
    const packages = await fetchInto(folder, pins, architecture, say)
    const final = folderOf(name, packages, architecture)
    await moveUnlessThere(join(folder, 'root'), final)
    return { folder: final, packages, isPinned: final === wanted }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function folderOf(name: string, packages: readonly DebianPin[], architecture: Architecture): string {
  const sums = createHash('sha256').update(packages.map(({ sha256 }) => sha256).join())
  return join(cacheFolder(), `${name}-${architecture}-${sums.digest('hex').slice(0, 12)}`)
}

async function fetchInto(folder: string, pins: readonly DebianPin[], architecture: Architecture, say: Say) {
  const packages: DebianPin[] = []
  const apt = await openApt(folder, architecture, say)
  for (const pin of pins) {
    const file = await download(apt, folder, pin, say)
    const found = await identify(file, pin, architecture)
    await promisify(execFile)('dpkg-deb', ['--extract', file, join(folder, 'root')])
    packages.push(found)
  }
  return packages
}

type Apt = (...args: readonly string[]) => Promise<string>

/** The machine's sources of packages, with lists and a cache in the folder. */
async function openApt(folder: string, architecture: Architecture, say: Say): Promise<Apt> {
  const own = ['root', 'state/lists/partial', 'cache/archives/partial']
  for (const inner of own) await mkdir(join(folder, inner), { recursive: true })
  await writeFile(join(folder, 'status'), '')
  const settings = [
    `Dir::State=${folder}/state`,
    `Dir::State::status=${folder}/status`,
    `Dir::Cache=${folder}/cache`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    // Root's apt would download as another user, who may not write here.
    'APT::Sandbox::User=root',
  ]
  const options = ['-q', ...settings.flatMap(setting => ['-o', setting])]
  const apt: Apt = async (...args) => {
    const { stdout } = await promisify(execFile)('apt-get', [...options, ...args], { cwd: folder })
    return stdout
  }
  try {
    say(`asking apt for its lists of ${architecture}`)
    await apt('update')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const why = missing ? 'there is no apt-get; this wants Debian 12, or a container of it' : messageOf(error)
    throw new Error(`Debian's packages cannot be had: ${why}`, { cause: error })
  }
  return apt
}

/** The package's file; of the newest version where the pinned one is gone. */
async function download(apt: Apt, folder: string, { name, version }: DebianPin, say: Say): Promise<string> {
  try {
    await apt('download', `${name}=${version}`)
  } catch {
    say(`NOTE: apt has no ${name} ${version}; taking the newest, so this is not the build that the pins describe`)
    try {
      await apt('download', name)
    } catch (error) {
      throw new Error(`apt has no package ${name}: ${messageOf(error)}`, { cause: error })
    }
  }
  const file = (await readdir(folder)).find(found => found.startsWith(`${name}_`) && found.endsWith('.deb'))
  if (!file) throw new Error(`apt-get download ${name} has left no file in ${folder}`)
  return join(folder, file)
}

async function identify(file: string, pin: DebianPin, architecture: Architecture): Promise<DebianPin> {
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
  const { stdout } = await promisify(execFile)('dpkg-deb', ['--field', file, 'Version'])
  const version = stdout.trim()
  if (version === pin.version && sha256 !== pin.sha256) {
    throw new Error(
      `${pin.name} ${version} for ${architecture} has the SHA-256 ${sha256}, where ${pin.sha256} is expected: ` +
        'the package was changed without changing its version, or the pin is wrong',
    )
  }
  return { name: pin.name, version, sha256 }
}

/** Whole or not at all; who comes second finds the same. */
export async function moveUnlessThere(folder: string, final: string): Promise<void> {
  try {
    await rename(folder, final)
  } catch (error) {
    if (!['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

async function isThere(folder: string): Promise<boolean> {
  return readdir(folder).then(
    () => true,
    () => false,
  )
}

function messageOf(error: unknown): string {
  return (error as { stderr?: string }).stderr?.trim() || (error instanceof Error ? error.message : String(error))
}
