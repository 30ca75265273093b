import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { until } from '../../interop/until.ts'
import { kill } from '../../lab/namespace.ts'
import type { LabHost } from '../../lab/node.ts'
import { type Program, programOf } from '../program.ts'
import { asItsUser } from './frr-configuration.ts'

/**
 * FRR as it stands in a pod beside MetalLB's speaker: its daemons with /etc/frr and /run of their own, since its reload
 * script knows no other places. All of it is gone with the process that holds the mounts.
 */
export interface FrrPod {
  /** What stands before a command to run it in there. */
  readonly enter: readonly string[]
  readonly daemons: readonly Program[]
  vtysh(...commands: readonly string[]): Promise<string>
  /** Waits until there is such a file in there. */
  appears(path: string): Promise<unknown>
  /** Where a file in there lies as seen from outside. */
  path(inside: string): string
  stop(): Promise<void>
}

const programs = '/usr/lib/frr'

/** Starts zebra, bfdd, staticd and then bgpd, which reads the configuration as it starts. */
export async function startFrrPod(host: LabHost, configuration: readonly string[]): Promise<FrrPod> {
  const prepare = [
    'mount -t tmpfs none /run && mount -t tmpfs none /etc/frr',
    'mkdir /run/frr /run/frr_reloader && chown frr:frr /run/frr',
    'exec cat',
  ]
  const holder = host.spawn(['unshare', '--mount', 'sh', '-e', '-c', prepare.join('\n')], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const root = `/proc/${holder.pid}/root`
  const appears = (path: string) => until(`${path} of FRR`, async () => existsSync(root + path), Boolean, 30_000)
  await appears('/run/frr_reloader')
  const enter = ['nsenter', '--target', String(holder.pid), '--mount', '--']
  const write = (path: string, text: string): Promise<void> => writeFile(root + path, text)
  await write('/etc/frr/vtysh.conf', 'service integrated-vtysh-config\n')
  await write('/etc/frr/frr.conf', `${configuration.join('\n')}\n`)
  const daemons: Program[] = []
  const start = async (name: string, ...more: readonly string[]): Promise<void> => {
    const startedAt = performance.now()
    const argv = [...enter, ...asItsUser, `${programs}/${name}`, '-f', '/etc/frr/frr.conf', ...more]
    daemons.push(programOf(name, host.spawn(argv, { stdio: 'ignore' }), startedAt))
    await appears(`/run/frr/${name}.vty`)
  }
  await start('zebra')
  await appears('/run/frr/zserv.api')
  await start('bfdd')
  await start('staticd')
  // It listens to nobody, as in MetalLB's pod.
  await start('bgpd', '--bgp_port', '0')
  return {
    enter,
    daemons,
    appears,
    path: inside => root + inside,
    vtysh: async (...commands) => {
      return await host.namespace.run([...enter, 'vtysh', ...commands.flatMap(command => ['-c', command])])
    },
    async stop() {
      for (const daemon of daemons) await daemon.stop()
      await kill(holder)
    },
  }
}
