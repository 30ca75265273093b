import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createWorld } from './namespace.ts'
import { whyNoLab } from './tools.ts'

const obstacle = await whyNoLab(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no lab on this machine: ${obstacle}`)

describe.skipIf(obstacle !== undefined)('a namespace', () => {
  it('is the one in which its programs run, and their pid is the program itself', async () => {
    await using world = disposable(await createWorld())
    const namespace = await world.createNamespace()
    const child = namespace.spawn(['sleep', '1000'])
    await vi.waitFor(async () => expect(await readlink(`/proc/${child.pid}/exe`)).toMatch(/sleep|coreutils|busybox/))
    expect(await readlink(`/proc/${child.pid}/ns/net`)).toBe(await readlink(namespace.path))
    expect(await readlink(namespace.path)).not.toBe(await readlink('/proc/self/ns/net'))
  })

  it('hands on what a program wrote and how it ended', async () => {
    await using world = disposable(await createWorld())
    const namespace = await world.createNamespace()
    const argv = ['sh', '-c', 'cat; echo problem >&2; exit 3']
    expect(await namespace.exec(argv, { input: 'in' })).toEqual({ stdout: 'in', stderr: 'problem\n', code: 3 })
    await expect(namespace.run(argv)).rejects.toThrow('ended with 3: problem')
    await expect(namespace.exec(['sleep', '1000'], { timeoutMs: 50 })).rejects.toThrow('was not done after 50 ms')
  })

  it('goes with all its processes when the process that made it is killed with -9', async () => {
    const script = `
      import { createWorld } from ${JSON.stringify(join(import.meta.dirname, 'namespace.ts'))}
      const namespace = await (await createWorld()).createNamespace()
      namespace.spawn(['sleep', '1000'])
      console.log(namespace.path)
      setInterval(() => {}, 1000)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [path] = await once(createInterface({ input: owner.stdout }), 'line')
    const namespace = await readlink(String(path))
    expect(await processesIn(namespace)).toBe(2)
    owner.kill('SIGKILL')
    await vi.waitFor(async () => expect(await processesIn(namespace)).toBe(0), { timeout: 5000 })
  })

  it.skipIf(process.getuid?.() !== 0)(
    'can be had by one who is not root, with bridges and nftables in it',
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'berth-rootless-'))
      onTestFinished(() => rm(directory, { recursive: true }))
      await chmod(directory, 0o755)
      for (const file of ['namespace.ts', 'segment.ts'])
        await copyFile(join(import.meta.dirname, file), join(directory, file))
      await copyFile(process.execPath, join(directory, 'node'))
      await writeFile(join(directory, 'package.json'), '{"type":"module"}')
      await writeFile(join(directory, 'try.ts'), rootlessTry)
      const nobody = { uid: 65534, gid: 65534 }
      const child = spawn(join(directory, 'node'), [join(directory, 'try.ts')], {
        ...nobody,
        cwd: directory,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [line] = await once(createInterface({ input: child.stdout }), 'line')
      expect(JSON.parse(String(line))).toEqual({ rootless: true, ping: 0, nft: 0 })
    },
  )
})

const rootlessTry = `
import { createWorld } from './namespace.ts'
import { createSegment } from './segment.ts'
const world = await createWorld()
const segment = await createSegment(world, ['192.0.2.1/24'])
const host = await world.createNamespace()
await segment.attach(host, { port: 'p', interface: 'eth0', mac: '00:00:5e:00:53:01', addresses: ['192.0.2.2/24'] })
const reply = await host.exec(['arping', '-f', '-w', '3', '-I', 'eth0', '192.0.2.1'])
const nft = await host.exec(['nft', 'add', 'table', 'ip', 'x'])
console.log(JSON.stringify({ rootless: world.rootless, ping: reply.code, nft: nft.code }))
await world.end()
`

function disposable<T extends { end(): Promise<void> }>(world: T): T & AsyncDisposable {
  return { ...world, [Symbol.asyncDispose]: () => world.end() }
}

async function processesIn(namespace: string): Promise<number> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const found = await Promise.all(pids.map(pid => readlink(`/proc/${pid}/ns/net`).catch(() => '')))
  return found.filter(candidate => candidate === namespace).length
}
