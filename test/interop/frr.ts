import type { LabHost } from '../lab/node.ts'
import { startFrr } from './frr-daemons.ts'
import { type Router, type RouterMake, type RouterSettings, routerRoutes, type SeenRoute } from './router.ts'

/** FRRouting: zebra and bgpd, asked by vtysh. */
export const frr: RouterMake = { name: 'FRR', package: 'frr', start }

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
  const daemons = await startFrr(host, settings.bfd ? ['bgpd', 'bfdd'] : ['bgpd'], configuration(settings))
  const { ask, json } = daemons
  const { bgpd } = daemons.daemons
  const change = (...lines: readonly string[]): Promise<void> =>
    daemons.configure(`router bgp ${settings.localAs}`, ...lines)
  const own = (verb: string): Promise<void> =>
    change(
      ...settings.families.flatMap(family => [
        `address-family ${family.toLowerCase()} unicast`,
        `${verb} ${routerRoutes[family]}`,
        'exit-address-family',
      ]),
    )
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
    setPassword: password => change(`neighbor ${settings.remote} password ${password}`),
    bfdIsUp: async () => /"status":"up"/.test((await ask('show bfd peers json')).replaceAll(/\s/g, '')),
    neighbour: async () => `${await ask(`show bgp neighbors ${settings.remote}`)}\n${daemons.said()}`,
    async stop() {
      // Left alone it says nothing when it ends, in case that is a graceful restart.
      await change(`neighbor ${settings.remote} shutdown message back soon`)
      await daemons.end('SIGTERM')
    },
    kill: () => daemons.end('SIGKILL'),
    freeze: () => void bgpd?.kill('SIGSTOP'),
    thaw: () => void bgpd?.kill('SIGCONT'),
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

function configuration(settings: RouterSettings): readonly string[] {
  const { localAs, peerAs, local, remote, alsoRemotes = [], holdTimeSeconds, families } = settings
  const remotes = [remote, ...alsoRemotes]
  const ofEach = (say: (neighbour: string) => readonly string[]): readonly string[] =>
    remotes.flatMap(one => say(`neighbor ${one}`).map(line => ` ${line}`))
  return [
    'hostname router',
    `router bgp ${localAs}`,
    ' bgp router-id 192.0.2.2',
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' no bgp network import-check',
    ' bgp log-neighbor-changes',
    ...ofEach(neighbour => [
      `${neighbour} ${settings.unnumbered ? 'interface ' : ''}remote-as ${peerAs}`,
      `${neighbour} timers ${Math.max(1, Math.floor(holdTimeSeconds / 3))} ${holdTimeSeconds}`,
      `${neighbour} timers connect 1`,
      `${neighbour} advertisement-interval 0`,
      ...(settings.password === undefined ? [] : [`${neighbour} password ${settings.password}`]),
      ...(settings.ttlSecurity ? [`${neighbour} ttl-security hops 1`] : []),
      ...(settings.extendedNextHop ? [`${neighbour} capability extended-nexthop`] : []),
      ...(settings.passive ? [`${neighbour} passive`] : []),
      ...(settings.multihop && localAs !== peerAs ? [`${neighbour} ebgp-multihop 4`] : []),
      ...(settings.multihop ? [`${neighbour} update-source ${local}`] : []),
      ...(settings.bfd
        ? [`${neighbour} bfd ${settings.bfd.multiplier} ${settings.bfd.intervalMs} ${settings.bfd.intervalMs}`]
        : []),
    ]),
    ...families.flatMap(family => [
      ` address-family ${family.toLowerCase()} unicast`,
      ...ofEach(neighbour => [`${neighbour} activate`, `${neighbour} route-map decorate out`]).map(line => ` ${line}`),
      ' exit-address-family',
    ]),
    'exit',
    'route-map decorate permit 10',
    ' set community 64513:1 no-export',
    ' set large-community 64513:1:2',
    ' set extcommunity rt 64513:5',
    ' set extcommunity bandwidth 100',
    ' set metric 50',
    ' set atomic-aggregate',
    ` set aggregator as ${localAs} 192.0.2.9`,
    ` set as-path prepend ${localAs}`,
  ]
}
