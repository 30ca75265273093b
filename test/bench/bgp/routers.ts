import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { makeWorkplace } from '../../interop/router.ts'
import { until } from '../../interop/until.ts'
import type { LabHost } from '../../lab/node.ts'
import { programOf } from '../program.ts'
import { type Announcer, routeOf } from './announcer.ts'
import { frrConfiguration } from './frr-configuration.ts'
import { type FrrPod, startFrrPod } from './frr-pod.ts'
import { addresses, announcerAs, routerAs } from './stations.ts'

/** FRR that knows its routes from a file and hears of changes by vtysh: as fast as MetalLB's FRR mode could be. */
export function frr(node: LabHost): Announcer {
  return frrBy('FRR, vtysh', node, async (pod, _routes, index, announced) => {
    const line = `${announced ? '' : 'no '}network ${routeOf(index)}`
    await pod.vtysh('configure terminal', `router bgp ${announcerAs}`, 'address-family ipv4 unicast', line)
  })
}

/** FRR that hears of changes by its reload script, which MetalLB's FRR mode runs twice. */
export function frrReload(node: LabHost): Announcer {
  return frrBy('FRR, frr-reload.py', node, async (pod, routes, index, announced) => {
    const file = '/run/frr_reloader/frr.conf'
    await writeFile(pod.path(file), configurationOf(routes, announced ? undefined : index).join('\n'))
    await node.namespace.run([...pod.enter, 'python3', '/usr/lib/frr/frr-reload.py', '--reload', file])
  })
}

type Change = (pod: FrrPod, routes: number, index: number, announced: boolean) => Promise<void>

function frrBy(name: string, node: LabHost, change: Change): Announcer {
  return {
    name,
    async start(routes) {
      const pod = await startFrrPod(node, configurationOf(routes))
      const bgpd = pod.daemons.at(-1)
      if (!bgpd) throw new Error('FRR has no bgpd')
      return {
        startedAt: bgpd.startedAt,
        programs: pod.daemons,
        setAnnounced: (index, announced) => change(pod, routes, index, announced),
        stop: () => pod.stop(),
      }
    },
  }
}

function configurationOf(routes: number, without?: number): readonly string[] {
  return frrConfiguration({ routerId: addresses.node, peers: peers(), routes: listOf(routes, without) })
}

/** BIRD with static routes: a floor. */
export function bird(node: LabHost): Announcer {
  return {
    name: 'BIRD',
    async start(routes) {
      const place = await makeWorkplace('bench-bird')
      const config = await place.write('bird.conf', birdConfiguration(routes))
      const socket = `${place.folder}/ctl`
      const startedAt = performance.now()
      const program = programOf('BIRD', place.spawn(node, ['bird', '-f', '-c', config, '-s', socket]), startedAt)
      await until('BIRD', async () => existsSync(socket), Boolean, 30_000)
      return {
        startedAt,
        programs: [program],
        async setAnnounced(index, announced) {
          await place.write('bird.conf', birdConfiguration(routes, announced ? undefined : index))
          await node.namespace.run(['birdc', '-s', socket, 'configure'])
        },
        async stop() {
          await program.stop()
          await place.remove()
        },
      }
    },
  }
}

function birdConfiguration(routes: number, without?: number): string {
  return [
    `router id ${addresses.node};`,
    'protocol device {}',
    'protocol static { ipv4;',
    ...listOf(routes, without).map(route => ` route ${route} blackhole;`),
    '}',
    ...peers().map(
      peer =>
        `protocol bgp { local ${addresses.node} as ${announcerAs}; neighbor ${peer} as ${routerAs}; connect delay time 1; connect retry time 1; ipv4 { import none; export all; }; }`,
    ),
    '',
  ].join('\n')
}

function peers(): readonly string[] {
  return [addresses.router, addresses.witness, addresses.second]
}

function listOf(routes: number, without?: number): readonly string[] {
  return Array.from({ length: routes }, (_, index) => index)
    .filter(index => index !== without)
    .map(routeOf)
}
