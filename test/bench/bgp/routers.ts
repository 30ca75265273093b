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
  return frrBy('FRR, vtysh', node, async (pod, last) => {
    const line = `no network ${last}`
    await pod.vtysh('configure terminal', `router bgp ${announcerAs}`, 'address-family ipv4 unicast', line)
  })
}

/** FRR that hears of changes by its reload script, which MetalLB's FRR mode runs twice. */
export function frrReload(node: LabHost): Announcer {
  return frrBy('FRR, frr-reload.py', node, async (pod, _last, left) => {
    const file = '/run/frr_reloader/frr.conf'
    await writeFile(pod.path(file), configurationOf(left).join('\n'))
    await node.namespace.run([...pod.enter, 'python3', '/usr/lib/frr/frr-reload.py', '--reload', file])
  })
}

/** Makes FRR forget a route, so that it has those that are left. */
type Forget = (pod: FrrPod, route: string, left: readonly string[]) => Promise<void>

function frrBy(name: string, node: LabHost, forget: Forget): Announcer {
  return {
    name,
    async start(count) {
      let routes = listOf(count)
      const pod = await startFrrPod(node, configurationOf(routes))
      const bgpd = pod.daemons.at(-1)
      if (!bgpd) throw new Error('FRR has no bgpd')
      return {
        startedAt: bgpd.startedAt,
        programs: pod.daemons,
        async withdraw(index) {
          const gone = routeOf(index)
          routes = routes.filter(route => route !== gone)
          await forget(pod, gone, routes)
        },
        stop: () => pod.stop(),
      }
    },
  }
}

function configurationOf(routes: readonly string[]): readonly string[] {
  return frrConfiguration({ routerId: addresses.node, peers: peers(), routes })
}

/** BIRD with static routes: a floor. */
export function bird(node: LabHost): Announcer {
  return {
    name: 'BIRD',
    async start(count) {
      let routes = listOf(count)
      const place = await makeWorkplace('bench-bird')
      const config = await place.write('bird.conf', birdConfiguration(routes))
      const socket = `${place.folder}/ctl`
      const startedAt = performance.now()
      const program = programOf('BIRD', place.spawn(node, ['bird', '-f', '-c', config, '-s', socket]), startedAt)
      await until('BIRD', async () => existsSync(socket), Boolean, 30_000)
      return {
        startedAt,
        programs: [program],
        async withdraw(index) {
          routes = routes.filter(route => route !== routeOf(index))
          await place.write('bird.conf', birdConfiguration(routes))
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

function birdConfiguration(routes: readonly string[]): string {
  return [
    `router id ${addresses.node};`,
    'protocol device {}',
    'protocol static { ipv4;',
    ...routes.map(route => ` route ${route} blackhole;`),
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

function listOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => routeOf(index))
}
