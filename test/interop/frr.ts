import { kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import {
  makeWorkplace,
  type Router,
  type RouterMake,
  type RouterSettings,
  routerRoutes,
  type SeenRoute,
} from './router.ts'
import { until } from './until.ts'

/** FRRouting: zebra and bgpd, asked by vtysh. */
export const frr: RouterMake = { name: 'FRR', package: 'frr', start }

const programs = '/usr/lib/frr'

interface FrrPath {
  /** In a list; of one prefix it is `aspath`. */
  readonly path?: string
  readonly aspath?: { readonly string: string }
  readonly locPrf?: number
  readonly localpref?: number
  readonly metric?: number
  readonly community?: { readonly string: string }
  readonly largeCommunity?: { readonly string: string }
  readonly extendedCommunity?: { readonly string: string }
  readonly stale?: boolean
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[]
}

interface FrrTable {
  readonly routes?: Readonly<Record<string, readonly FrrPath[]>>
}

interface FrrDetail {
  readonly paths?: readonly FrrPath[]
}

async function start(host: LabHost, settings: RouterSettings): Promise<Router> {
  const place = await makeWorkplace('frr')
  const config = await place.write('frr.conf', configuration(settings))
  await place.write('vtysh.conf', '')
  // Its daemons give root up for a user of their own, who must be able to write here.
  await host.namespace.run(['chown', '-R', 'frr:frr', place.folder])
  const common = ['-f', config, '-z', `${place.folder}/zserv.api`, '--vty_socket', place.folder]
  const daemon = (name: string, ...more: string[]) =>
    place.spawn(host, [
      `${programs}/${name}`,
      ...common,
      '-i',
      `${place.folder}/${name}.pid`,
      '--log',
      'stdout',
      ...more,
    ])
  const zebra = daemon('zebra')
  const bgpd = daemon('bgpd')
  const ask = async (command: string): Promise<string> => {
    const asked = await host.exec(['vtysh', '--vty_socket', place.folder, '--config_dir', place.folder, '-c', command])
    return asked.stdout
  }
  const json = async (command: string): Promise<unknown> => {
    const text = await ask(command)
    try {
      return JSON.parse(text)
    } catch {
      return {}
    }
  }
  const change = async (lines: readonly string[]): Promise<void> => {
    const commands = ['configure terminal', `router bgp ${settings.localAs}`, ...lines].flatMap(line => ['-c', line])
    await host.namespace.run(['vtysh', '--vty_socket', place.folder, '--config_dir', place.folder, ...commands])
  }
  const own = (verb: string): Promise<void> =>
    change(
      settings.families.flatMap(family => [
        `address-family ${family.toLowerCase()} unicast`,
        `${verb} ${routerRoutes[family]}`,
        'exit-address-family',
      ]),
    )
  await until(
    'bgpd answers',
    () => ask('show bgp summary'),
    text => text.includes('router identifier'),
    30_000,
  ).catch(error => {
    throw new Error(`${String(error)}\n${place.said()}`)
  })
  const end = async (signal: NodeJS.Signals) => {
    await kill(bgpd, signal)
    await kill(zebra)
    await place.remove()
  }
  return {
    async isEstablished() {
      const all = (await json(`show bgp neighbors ${settings.remote} json`)) as Record<string, { bgpState?: string }>
      return all[settings.remote]?.bgpState === 'Established'
    },
    async routes() {
      const lists = settings.families.map(async family => {
        const list = (await json(`show bgp ${family.toLowerCase()} unicast json`)) as FrrTable
        const prefixes = Object.entries(list.routes ?? {})
        // Only what it says of one prefix has communities; of thousands nobody asks that.
        if (prefixes.length > 20) return prefixes.flatMap(([prefix, paths]) => routesTo(prefix, paths))
        const one = async (prefix: string) => {
          const { paths = [] } = (await json(`show bgp ${family.toLowerCase()} unicast ${prefix} json`)) as FrrDetail
          return routesTo(prefix, paths)
        }
        return (await Promise.all(prefixes.map(([prefix]) => one(prefix)))).flat()
      })
      return (await Promise.all(lists)).flat()
    },
    announce: () => own('network'),
    retract: () => own('no network'),
    async refresh() {
      await ask(`clear bgp ${settings.remote} soft in`)
    },
    neighbour: () => ask(`show bgp neighbors ${settings.remote}`),
    async stop() {
      // Left alone it says nothing when it ends, in case that is a graceful restart.
      await change([`neighbor ${settings.remote} shutdown message back soon`])
      await end('SIGTERM')
    },
    kill: () => end('SIGKILL'),
    freeze: () => void bgpd.kill('SIGSTOP'),
    thaw: () => void bgpd.kill('SIGCONT'),
  }
}

function routesTo(prefix: string, paths: readonly FrrPath[]): readonly SeenRoute[] {
  return paths.map(path => ({
    prefix,
    nextHop: (path.nexthops?.find(({ scope }) => scope !== 'link-local') ?? path.nexthops?.[0])?.ip ?? '',
    asPath: path.path ?? (path.aspath?.string === 'Local' ? '' : (path.aspath?.string ?? '')),
    localPref: path.locPrf ?? path.localpref,
    multiExitDisc: path.metric,
    communities: words(path.community?.string),
    largeCommunities: words(path.largeCommunity?.string),
    extendedCommunities: [path.extendedCommunity?.string ?? ''].filter(text => text !== ''),
    stale: path.stale ?? false,
  }))
}

function words(text = ''): readonly string[] {
  return text
    .split(' ')
    .filter(word => word.length > 0)
    .sort()
}

function configuration(settings: RouterSettings): string {
  const { localAs, peerAs, remote, holdTimeSeconds, families, password, ttlSecurity, passive } = settings
  const neighbour = (text: string) => ` neighbor ${remote} ${text}`
  return [
    'frr defaults traditional',
    'hostname router',
    `router bgp ${localAs}`,
    ' bgp router-id 192.0.2.2',
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' no bgp network import-check',
    neighbour(`${settings.unnumbered ? 'interface ' : ''}remote-as ${peerAs}`),
    neighbour(`timers ${Math.max(1, Math.floor(holdTimeSeconds / 3))} ${holdTimeSeconds}`),
    neighbour('timers connect 1'),
    neighbour('advertisement-interval 0'),
    ...(password === undefined ? [] : [neighbour(`password ${password}`)]),
    ...(ttlSecurity ? [neighbour('ttl-security hops 1')] : []),
    ...(settings.extendedNextHop ? [neighbour('capability extended-nexthop')] : []),
    ...(passive ? [neighbour('passive')] : []),
    ...families.flatMap(family => [
      ` address-family ${family.toLowerCase()} unicast`,
      ` ${neighbour('activate')}`,
      ` ${neighbour('route-map decorate out')}`,
      ' exit-address-family',
    ]),
    'route-map decorate permit 10',
    ' set community 64513:1 no-export',
    ' set large-community 64513:1:2',
    ' set extcommunity rt 64513:5',
    ' set extcommunity bandwidth 100',
    ' set metric 50',
    ' set atomic-aggregate',
    ` set aggregator as ${localAs} 192.0.2.9`,
    ` set as-path prepend ${localAs}`,
    '',
  ].join('\n')
}
