import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { binary, duration } from './binaries.ts'

/** A go command of our own stands in for the real one, which takes minutes; what is built is the build's own report. */

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-binaries-'))
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  vi.stubEnv('KUBEBUILDER_ASSETS', '')
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

async function placeProgram(path: string, script: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

/** Version 1.26; its `build` takes a while, then does as told with `$output`, and each build is a line in `builds`. */
async function placeGo(act = 'echo "$flags" > "$output"; chmod +x "$output"'): Promise<void> {
  await placeProgram(
    join(folder, 'go'),
    `[ "$1" = version ] && echo go version go1.26.8 linux/amd64 && exit
flags="$*"
echo "$flags" >> ${folder}/builds
while [ "$1" != -o ]; do shift; done
output=$2
sleep 0.2
${act}`,
  )
}

async function builds(): Promise<string[]> {
  const lines = await readFile(join(folder, 'builds'), 'utf8').catch(() => '')
  return lines.split('\n').filter(Boolean)
}

/** What lies in the folder that finished programs share. */
async function beside(path: string): Promise<string[]> {
  return readdir(dirname(path))
}

test('a program that is missing is built with its version, and found the next time', async () => {
  await placeGo()
  const lines: string[] = []
  const path = await binary('kubectl', { progress: line => lines.push(line) })
  expect(path).toMatch(/cache\/berth\/kubernetes-v1\.\d+\.\d+-[0-9a-f]{12}-\w+\/kubectl$/)
  expect(await readFile(path, 'utf8')).toMatch(
    /gitVersion=v1\.\d+\.\d+ .*gitMajor=1 .*k8s\.io\/kubernetes\/cmd\/kubectl$/m,
  )
  expect(lines[0]).toMatch(/^Building kubectl v1\.\d+\.\d+ .*about 20 s the first time/)
  expect(lines.at(-1)).toMatch(/^Built kubectl in \d+ s$/)

  expect(await binary('kubectl')).toBe(path)
  expect(await builds()).toHaveLength(1)
  expect(await beside(path)).toEqual(['kubectl'])
})

test('two that ask at once in one process, and a third in another, share one build', async () => {
  await placeGo()
  const code = `console.log(await (await import(${JSON.stringify(join(import.meta.dirname, 'binaries.ts'))})).binary('etcd'))`
  const other = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [one, two, three] = await Promise.all([binary('etcd'), binary('etcd'), text(other.stdout)])
  expect(two).toBe(one)
  expect(three.trim()).toBe(one)
  expect(await builds()).toHaveLength(1)
})

test('a build that died holding the lock does not stop the next, which removes what it left', async () => {
  await placeGo()
  const path = await binary('etcd')
  await rm(path)
  const dead = spawn('/bin/true')
  await once(dead, 'exit')
  await writeFile(join(dirname(path), `.etcd.${dead.pid}`), 'half a program')
  await writeFile(join(folder, 'cache/berth/build.lock'), String(dead.pid))

  expect(await binary('etcd')).toBe(path)
  expect(await beside(path)).toEqual(['etcd'])
  expect(await readdir(join(folder, 'cache/berth'))).not.toContain('build.lock')
})

test('while another process builds, it says whom it waits for', async () => {
  await placeGo()
  await mkdir(join(folder, 'cache/berth'), { recursive: true })
  await writeFile(join(folder, 'cache/berth/build.lock'), String(process.ppid))
  const lines: string[] = []
  const stop = new AbortController()
  const waiting = binary('etcd', { progress: line => lines.push(line), signal: stop.signal })
  await vi.waitFor(() =>
    expect(lines).toEqual([`Waiting for process ${process.ppid}, which is building, before etcd can be built`]),
  )
  stop.abort()
  await expect(waiting).rejects.toThrow(/abort/)
  expect(await builds()).toEqual([])
})

test('a build that fails passes on what Go said and leaves nothing to be mistaken for a program', async () => {
  await placeGo('touch "$output"; echo "no space left on device" >&2; exit 1')
  await expect(binary('etcd')).rejects.toThrow(/^Building etcd v3[^]*said\nno space left on device\n$/)
  const [pins = ''] = (await readdir(join(folder, 'cache/berth'))).filter(entry => entry.startsWith('etcd'))
  expect(await readdir(join(folder, 'cache/berth', pins))).toEqual([])
})

test('an aborted build ends at once', async () => {
  await placeGo('exec sleep 60')
  const stop = new AbortController()
  const building = binary('etcd', { signal: stop.signal })
  await vi.waitFor(async () => expect(await builds()).toHaveLength(1))
  stop.abort()
  await expect(building).rejects.toThrow(/abort/)
})

test.each([
  { situation: 'missing', script: undefined, says: /there is none on the PATH/ },
  { situation: 'too old', script: 'echo go version go1.19.8 linux/amd64', says: /is go version go1\.19\.8/ },
  { situation: 'unable', script: 'echo toolchain not available >&2; exit 1', says: /says: toolchain not available/ },
])('where Go is $situation, the message says what to do', async ({ script, says }) => {
  const go = join(folder, 'some-go')
  if (script) await placeProgram(go, script)
  const asking = binary('kube-apiserver', { goCommands: [go] })
  await expect(asking).rejects.toThrow(says)
  await expect(asking).rejects.toThrow(/kube-apiserver has to be built, which needs Go 1\.26 or newer/)
  await expect(asking).rejects.toThrow(/https:\/\/go\.dev\/dl\/[^]*KUBEBUILDER_ASSETS/)
})

test('KUBEBUILDER_ASSETS goes first, for what it holds', async () => {
  await placeGo()
  await placeProgram(join(folder, 'assets/etcd'), 'exit 0')
  vi.stubEnv('KUBEBUILDER_ASSETS', join(folder, 'assets'))
  expect(await binary('etcd')).toBe(join(folder, 'assets/etcd'))
  expect(await binary('kubectl')).toMatch(/cache\/berth\/kubernetes-/)
  expect(await builds()).toHaveLength(1)
})

test.each([
  [0.4, '0 s'],
  [59, '59 s'],
  [59.6, '1 min 0 s'],
  [215, '3 min 35 s'],
])('%d seconds are written as %s', (seconds, written) => {
  expect(duration(seconds)).toBe(written)
})
