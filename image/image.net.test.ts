import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gathered, gatherImage } from './assemble.ts'
import { nodePath, runtimeConfig, targets, user } from './contents.ts'
import { writeImage } from './oci.ts'
import { writeSbom } from './sbom.ts'
import { writeTar } from './tar.ts'
import { unpackImage } from './unpack.ts'

/*
 * The image as a container would see it: its archive is unpacked as a runtime does, layer by layer, and its programs are
 * started with that folder as their root, where there is nothing else.
 */

const run = promisify(execFile)
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'

async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'another root folder needs root'
  const tools = ['apt-get', 'dpkg-deb', 'chroot']
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

  test('is made of the same when it is built again', async () => {
    const again = await gatherImage({ target: targets[architecture], say: () => {} })
    const layersOf = ({ layers }: Gathered) => layers.map(({ entries }) => Buffer.from(writeTar(entries)))
    const [foundation, programs] = layersOf(again)
    const before = layersOf(gathered)
    expect(foundation?.equals(before[0] ?? Buffer.alloc(0))).toBe(true)
    expect(programs?.equals(before[1] ?? Buffer.alloc(0))).toBe(true)
  })
})
