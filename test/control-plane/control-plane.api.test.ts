import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { access, mkdtemp, readdir, readFile, readlink, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test, vi } from 'vitest'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { startGuard } from './guard.ts'
import { createPrograms } from './programs.ts'

afterEach(() => void vi.unstubAllEnvs())

const soon = { timeout: 10_000, interval: 50 }

/** The programs whose working directory is `directory`, or was until it was removed, by name. */
async function programsIn(directory: string): Promise<string[]> {
  const names: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    if (workingDirectory.replace(/ \(deleted\)$/, '') !== directory) continue
    names.push((await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'gone')).trim())
  }
  return names.toSorted()
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

test('a control plane serves named users, and stopping it leaves no process and no folder', async () => {
  await using controlPlane = await startControlPlane({ crds: false })
  const { directory } = controlPlane
  expect(await programsIn(directory)).toEqual(['etcd', 'kube-apiserver'])

  expect(await controlPlane.kubectl(['create', 'service', 'loadbalancer', 'web', '--tcp=80'])).toBe(
    'service/web created\n',
  )
  expect(await whoAmI(controlPlane, 'alice')).toEqual({ username: 'alice', groups: ['system:authenticated'] })
  await expect(controlPlane.kubectl(['get', 'services'], { user: 'alice' })).rejects.toThrow(
    /User "alice" cannot list resource "services"/,
  )
  expect(await whoAmI(controlPlane, 'system:serviceaccount:berth-system:speaker')).toMatchObject({
    groups: ['system:serviceaccounts', 'system:serviceaccounts:berth-system', 'system:authenticated'],
  })
  const kubeconfig = await controlPlane.kubeconfig('bob', { groups: ['system:masters'], server: 'https://localhost:1' })
  expect(await readFile(kubeconfig, 'utf8')).toContain('server: https://localhost:1\n')

  await Promise.all([controlPlane.stop(), controlPlane.stop()])
  expect(await programsIn(directory)).toEqual([])
  expect(await exists(directory)).toBe(false)
})

async function whoAmI(controlPlane: ControlPlane, user: string): Promise<unknown> {
  const review = JSON.parse(await controlPlane.kubectl(['auth', 'whoami', '-o', 'json'], { user }))
  const { username, groups } = review.status.userInfo
  return { username, groups }
}

test('input reaches kubectl, and the kinds of crds/ are known as soon as it has started', async () => {
  await using controlPlane = await startControlPlane()
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'said' }, data: { hello: 'there' } }
  await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(configMap) })
  expect(await controlPlane.kubectl(['get', 'configmap', 'said', '-o', 'jsonpath={.data.hello}'])).toBe('there')

  const files = (await readdir(join(import.meta.dirname, '../../crds'))).filter(file => file.endsWith('.yaml'))
  const kinds = await controlPlane.kubectl(['api-resources', '--api-group=berth.dev', '--no-headers', '-o', 'name'])
  expect(kinds.split('\n').filter(Boolean)).toHaveLength(files.length)
})

test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
  'the owner ended by %s leaves no process and no folder',
  async signal => {
    const code = `
    const { startControlPlane } = await import(${JSON.stringify(join(import.meta.dirname, 'control-plane.ts'))})
    console.log((await startControlPlane({ crds: false })).directory)
    setInterval(() => {}, 60_000)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [directory] = (await once(createInterface(owner.stdout), 'line')) as [string]
    expect(await programsIn(directory)).toEqual(['etcd', 'kube-apiserver'])

    owner.kill(signal)
    await vi.waitFor(async () => expect(await programsIn(directory)).toEqual([]), soon)
    await vi.waitFor(async () => expect(await exists(directory)).toBe(false), soon)
  },
)

test('a start that is given up leaves nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-given-up-'))
  vi.stubEnv('TMPDIR', folder)
  const stop = new AbortController()
  let directory = ''
  const starting = startControlPlane({
    signal: stop.signal,
    progress: line => {
      if (!line.startsWith('Starting')) return
      directory = join(folder, readdirSync(folder)[0] ?? '')
      setTimeout(() => stop.abort(), 500)
    },
  })
  await expect(starting).rejects.toThrow(/abort/i)
  expect(directory).toMatch(/berth-control-plane-/)
  expect(await programsIn(directory)).toEqual([])
  await rmdir(folder) // refuses a folder that is not empty
})

test('a program that ends while it is waited for is named, with the end of its log', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-programs-'))
  const programs = createPrograms(directory)
  await programs.start('sleeper', '/bin/sleep', ['600'])
  await programs.start('quitter', '/bin/sh', ['-c', 'echo I cannot work like this; exit 1'])
  const ready = programs.until('anything', () => Promise.reject(new Error('not yet')), undefined)
  await expect(ready).rejects.toThrow(/^quitter ended\n[^]*I cannot work like this$/)
  await programs.stop()
  expect(await programsIn(directory)).toEqual([])
  await expect(programs.start('late', '/bin/sleep', ['600'])).rejects.toThrow(/late is not started/)
})

test('a guard leaves a process alone that is not in its folder', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-guard-'))
  const stranger = spawn('/bin/sleep', ['600'], { cwd: '/' })
  await once(stranger, 'spawn')
  const guard = startGuard(directory)
  guard.adopt(stranger.pid ?? 0)
  await guard.release()
  expect(await exists(directory)).toBe(false)
  expect(stranger.kill(0)).toBe(true)
  stranger.kill()
  expect(await once(stranger, 'exit')).toEqual([null, 'SIGTERM'])
})
