import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Control groups for nodes: one folder a node in every hierarchy, below the groups of this very process, so that limits
 * and accounts of whoever started it hold for the nodes too.
 */
export interface NodeGroups extends AsyncDisposable {
  /** The groups of a node; what is written into `cgroup.procs` of each is in it. */
  create(node: string): Promise<readonly string[]>
}

const mountPoint = '/sys/fs/cgroup'

/** Why this machine's control groups will not do; undefined where they will. */
export async function whyNoGroups(): Promise<string | undefined> {
  const lines = await ownGroups()
  if (lines.some(({ controllers }) => controllers === 'memory')) return undefined
  return 'the memory controller is not in a hierarchy of its own (cgroup v1, or both versions side by side), and nobody has tried nodes on cgroup v2 alone yet'
}

/** Groups are only folders, but they outlive processes: a shell removes them when this process ends, however it ends. */
export function createNodeGroups(name: string): NodeGroups {
  const sweeper = spawn('/bin/sh', ['-c', sweep], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const ended = once(sweeper, 'exit')
  sweeper.unref()
  return {
    async create(node) {
      const groups: string[] = []
      for (const { controllers, folder } of await ownGroups()) {
        const parent = join(folder, name)
        const group = join(parent, node)
        sweeper.stdin.write(`${parent}\n`)
        await mkdir(group, { recursive: true })
        if (controllers.split(',').includes('cpuset')) await inheritCpus(folder, [parent, group])
        groups.push(group)
      }
      return groups
    },
    async [Symbol.asyncDispose]() {
      sweeper.ref()
      sweeper.stdin.end()
      await ended
    },
  }
}

/** Killed processes linger in their groups for a moment. */
const sweep = `
trap '' INT TERM HUP QUIT
groups=
while read -r group; do groups="$groups $group"; done
for attempt in $(seq 100); do
  left=
  for group in $groups; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || left=yes
  done
  [ "$left" ] || exit 0
  sleep 0.1
done
`

interface OwnGroup {
  /** `cpu,cpuacct`, `name=systemd`; empty for version 2. */
  readonly controllers: string
  readonly folder: string
}

async function ownGroups(): Promise<readonly OwnGroup[]> {
  const text = await readFile('/proc/self/cgroup', 'utf8').catch(() => '')
  const groups = text
    .trim()
    .split('\n')
    .map(line => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return { controllers, folder: join(mountPoint, controllers.replace('name=', '') || 'unified', path) }
    })
  const there = await Promise.all(groups.map(({ folder }) => exists(folder)))
  return groups.filter((_, index) => there[index])
}

/** A new group of processors is empty, and takes nobody while it is. */
async function inheritCpus(from: string, groups: readonly string[]): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = await readFile(join(from, file))
    for (const group of groups) await writeFile(join(group, file), value)
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
