import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../program/version.ts'
import { binary } from '../test/control-plane/binaries.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { commandsOf } from '../test/docs/commands.ts'
import { root } from '../test/docs/pages.ts'

/*
 * kubectl-berth as the README says it is built, installed and run: its commands as they stand, in a folder where there is
 * nothing but what `npm run build` has made, by somebody who has Node, npm and kubectl, and no network but the cluster.
 */

const run = promisify(execFile)
const npm = await run('npm', ['--version']).then(
  () => undefined,
  () => 'there is no npm here',
)
if (npm !== undefined) console.warn(`skipped: kubectl-berth as a package: ${npm}`)

let controlPlane: ControlPlane
let folder: string
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  if (npm !== undefined) return
  controlPlane = await startControlPlane()
  await controlPlane.kubectl(['create', 'namespace', 'berth-system'])
  folder = await mkdtemp(join(tmpdir(), 'berth-package-'))
  const [home, bin] = [join(folder, 'home'), join(folder, 'bin')]
  await Promise.all([join(home, '.local/bin'), bin].map(path => mkdir(path, { recursive: true })))
  await symlink(await binary('kubectl'), join(bin, 'kubectl'))
  await symlink(join(root, 'dist'), join(folder, 'dist'))
  environment = {
    PATH: [join(home, '.local/bin'), bin, dirname(process.execPath), process.env['PATH']].join(':'),
    HOME: home,
    KUBECONFIG: await controlPlane.kubeconfig(),
    KUBECACHEDIR: join(home, 'kubectl-cache'),
    npm_config_cache: join(home, 'npm-cache'),
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  }
  await run('npm', ['run', 'build'], { cwd: root })
}, 900_000)
afterAll(async () => {
  if (folder) await rm(folder, { recursive: true })
  await controlPlane?.stop()
})

/** What a shell says to a line of the README, and how it ends. */
async function shell(line: string): Promise<{ readonly out: string; readonly code: unknown }> {
  try {
    const { stdout } = await run('bash', ['-c', line], { cwd: folder, env: environment })
    return { out: stdout, code: 0 }
  } catch (error) {
    const { stdout, stderr, code } = error as {
      readonly stdout: string
      readonly stderr: string
      readonly code: unknown
    }
    return { out: `${stdout}${stderr}`, code }
  }
}

/** The one line of the README that begins so. */
function written(beginning: string): string {
  const [only, ...more] = commandsOf('README.md').filter(
    ({ text, isInBlock }) => isInBlock && text.startsWith(beginning),
  )
  if (!only || more.length > 0) throw new Error(`the README has not one command that begins with ${beginning}`)
  return only.text
}

describe.skipIf(npm !== undefined)('kubectl-berth', () => {
  test('is found by kubectl where the README puts it', async () => {
    expect(await shell(written('cp dist/'))).toMatchObject({ code: 0 })
    expect(await shell('kubectl berth --version')).toEqual({ code: 0, out: `${version}\n` })
    // Nothing of Berth runs in this cluster, which is what the doctor is for.
    const { out, code } = await shell(written('kubectl berth doctor'))
    expect({ out, code }).toEqual({ out: expect.stringContaining('All 9 kinds of Berth are installed'), code: 2 })
  })

  test('is completed by kubectl once its helper is where its help says', async () => {
    const { out: help } = await shell('kubectl berth completion --help')
    const [, line = ''] = /^ +(kubectl-berth completion kubectl > \S+)/m.exec(help) ?? []
    expect(await shell(`${line} && chmod +x ~/.local/bin/kubectl_complete-berth`)).toEqual({ code: 0, out: '' })
    const completed = async (typed: string) => (await shell(`kubectl __complete berth ${typed}`)).out.split('\n')
    expect(await completed("''")).toEqual(expect.arrayContaining(['status', 'explain', 'preview', ':4']))
    expect(await completed("explain ''")).toEqual(expect.arrayContaining(['service', '--context']))
  })

  test('is a package of a few files, which npx runs without fetching anything', async () => {
    const { out, code } = await shell(written('npm pack'))
    expect({ out, code }).toEqual({ out: expect.stringContaining(`kubectl-berth-${version}.tgz`), code: 0 })
    const line = written('npx ')
    const npx = line.replace(/ \w+$/, '')
    expect(await shell(`${npx} --version`)).toEqual({ code: 0, out: `${version}\n` })
    expect((await shell(line)).out).toMatch(/^Controller {2}/)
    const [installed = ''] = await readdir(join(folder, 'home/npm-cache/_npx'))
    const modules = join(folder, 'home/npm-cache/_npx', installed, 'node_modules')
    expect((await readdir(modules)).filter(name => !name.startsWith('.'))).toEqual(['kubectl-berth'])
    const files = ['LICENSE', 'kubectl-berth.cjs', 'kubectl-berth.cjs.LEGAL.txt', 'package.json']
    expect((await readdir(join(modules, 'kubectl-berth'))).toSorted()).toEqual(files)
    expect(await readFile(join(modules, 'kubectl-berth/kubectl-berth.cjs.LEGAL.txt'), 'utf8')).toContain('yaml')
  })

  test('works from that package without a cluster', async () => {
    await writeFile(
      join(folder, 'wrong.yaml'),
      'apiVersion: berth.dev/v1beta1\nkind: IPAddressPool\nmetadata: { name: p, namespace: berth-system }\nspec: { addresses: [192.0.2.0/33] }\n',
    )
    const { out, code } = await shell(`KUBECONFIG=/nowhere npx ./kubectl-berth-${version}.tgz validate -f wrong.yaml`)
    expect({ out, code }).toEqual({ out: expect.stringContaining('wrong.yaml:1  IPAddressPool p  Invalid'), code: 1 })
    const help = await shell(`npx ./kubectl-berth-${version}.tgz explain --help`)
    expect(help).toEqual({ out: expect.stringContaining('Examples:'), code: 0 })
  })
})
