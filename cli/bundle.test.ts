import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleCommand } from '../build.ts'
import { version } from '../program/version.ts'

/* kubectl-berth as people have it: one file, wherever they put it. */

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-command-'))
  await bundleCommand(directory)
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  await mkdir(join(directory, 'bin'))
  await writeFile(join(directory, 'bin/package.json'), '{}')
  await copyFile(join(directory, 'kubectl-berth.cjs'), join(directory, 'bin/kubectl-berth'))
}, 60_000)
afterAll(async () => await rm(directory, { recursive: true }))

test.each([
  { what: 'where kubectl finds it', name: 'bin/kubectl-berth' },
  { what: 'inside its package, whose files are modules', name: 'kubectl-berth.cjs' },
])('runs alone, $what', async ({ name }) => {
  const options = { cwd: directory, env: { PATH: process.env['PATH'] } }
  const run = promisify(execFile)
  const file = join(directory, name)
  expect((await run(process.execPath, [file, '--version'], options)).stdout).toBe(`${version}\n`)
  // A module that is loaded on demand has to be in the file too.
  const failed = run(process.execPath, [file, 'status', '--kubeconfig', '/nowhere'], options)
  await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('/nowhere') })
})

test('says what it needs where Node is too old for it', async () => {
  const said: string[] = []
  const exit = (code: number): never => {
    throw new Error(`exit ${code}`)
  }
  const script = (await readFile(join(directory, 'kubectl-berth.cjs'), 'utf8')).replace(/^#!.*/, '')
  const old = { versions: { node: '20.20.2' }, version: 'v20.20.2', exit }
  const run = () => runInNewContext(script, { process: old, console: { error: (line: string) => said.push(line) } })
  expect(run).toThrow('exit 1')
  expect(said).toEqual(['kubectl-berth needs Node 24 or newer; this is v20.20.2.'])
})
