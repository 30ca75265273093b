import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, vi } from 'vitest'
import { whyNoCluster } from './cluster.ts'

const obstacle = await whyNoCluster(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no real cluster on this machine: ${obstacle}`)

const soon = { timeout: 30_000, interval: 100 }

/** The folders of control groups, in any hierarchy, whose path has this in it; and the processes in such groups. */
async function groupsNamed(name: string): Promise<readonly string[]> {
  const folders: string[] = []
  for (const hierarchy of await readdir('/sys/fs/cgroup')) {
    const paths = await readdir(join('/sys/fs/cgroup', hierarchy), { recursive: true }).catch(() => [])
    folders.push(...paths.filter(path => path.split('/').includes(name)))
  }
  return folders
}

async function processesIn(name: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter(entry => /^\d+$/.test(entry))
  const groups = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => groups[index]?.includes(`/${name}/`))
}

describe.skipIf(obstacle !== undefined)('a real cluster', () => {
  it('is gone with whoever started it, killed with -9: processes, folder and control groups', async () => {
    const code = `
      const { startCluster } = await import(${JSON.stringify(join(import.meta.dirname, 'cluster.ts'))})
      const cluster = await startCluster({ nodes: 1, images: [] })
      console.log(cluster.controlPlane.directory)
      setInterval(() => {}, 60_000)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const name = `berth-nodes-${owner.pid}`
    const [directory] = (await once(createInterface(owner.stdout), 'line')) as [string]
    expect((await processesIn(name)).length).toBeGreaterThan(3)
    expect((await groupsNamed(name)).length).toBeGreaterThan(3)

    owner.kill('SIGKILL')
    await vi.waitFor(async () => expect(await processesIn(name)).toEqual([]), soon)
    await vi.waitFor(async () => expect(await groupsNamed(name)).toEqual([]), soon)
    await vi.waitFor(async () => await expect(access(directory)).rejects.toThrow('ENOENT'), soon)
  })
})
