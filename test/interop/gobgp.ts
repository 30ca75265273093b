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

/** GoBGP, asked by its own client. */
export const gobgp: RouterMake = { name: 'GoBGP', package: 'gobgpd', start }

interface GobgpPath {
  readonly nlri: { readonly prefix: string }
  readonly stale?: boolean
  readonly attrs: readonly GobgpAttribute[]
}

/** One attribute: its type, and a value under a name that depends on it. */
interface GobgpAttribute {
  readonly type: number
  readonly nexthop?: string
  readonly as_paths?: readonly { readonly asns: readonly number[] }[]
  readonly value?: unknown
  readonly communities?: readonly number[]
  readonly metric?: number
}

async function start(host: LabHost, settings: RouterSettings): Promise<Router> {
  const place = await makeWorkplace('gobgp')
  const config = await place.write('gobgpd.toml', configuration(settings))
  const daemon = place.spawn(host, ['gobgpd', '-f', config, '--pprof-disable', '-p'])
  const ask = async (...command: string[]): Promise<string> => (await host.exec(['gobgp', ...command])).stdout
  const own = async (verb: string, ...attributes: readonly string[]): Promise<void> => {
    for (const family of settings.families) {
      const command = ['gobgp', 'global', 'rib', verb, routerRoutes[family], ...attributes, '-a', family.toLowerCase()]
      await host.namespace.run(command)
    }
  }
  await until(
    'gobgpd answers',
    () => ask('neighbor'),
    text => text.includes(settings.remote),
  ).catch(error => {
    throw new Error(`${String(error)}\n${place.said()}`)
  })
  const end = async (signal: NodeJS.Signals) => {
    await kill(daemon, signal)
    await place.remove()
  }
  return {
    isEstablished: async () => /BGP state = ESTABLISHED/i.test(await ask('neighbor', settings.remote)),
    async routes() {
      const tables = await Promise.all(
        settings.families.map(family => ask('neighbor', settings.remote, 'adj-in', '-a', family.toLowerCase(), '-j')),
      )
      return tables.flatMap(routesIn)
    },
    announce: () =>
      own('add', 'community', '64513:1,no-export', 'large-community', '64513:1:2', 'rt', '64513:5', 'med', '50'),
    retract: () => own('del'),
    async refresh() {
      await ask('neighbor', settings.remote, 'softresetin')
    },
    async setPassword() {
      throw new Error('GoBGP takes another key only when it starts')
    },
    bfdIsUp: async () => false,
    neighbour: async () => `${await ask('neighbor', settings.remote)}\n${place.said()}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void daemon.kill('SIGSTOP'),
    thaw: () => void daemon.kill('SIGCONT'),
  }
}

function routesIn(text: string): readonly SeenRoute[] {
  if (!text.trimStart().startsWith('{')) return []
  // Without a session it answers with an error in the same braces.
  const table = JSON.parse(text) as Readonly<Record<string, readonly GobgpPath[] | string>>
  return Object.values(table)
    .filter(paths => typeof paths !== 'string')
    .flat()
    .map(({ nlri, stale, attrs }) => {
      const attribute = (type: number) => attrs.find(one => one.type === type)
      const extended = (attribute(16)?.value ?? []) as readonly unknown[]
      const large = (attribute(32)?.value ?? []) as readonly { ASN: number; LocalData1: number; LocalData2: number }[]
      return {
        prefix: nlri.prefix,
        nextHop: attribute(3)?.nexthop ?? attribute(14)?.nexthop ?? '',
        asPath: (attribute(2)?.as_paths ?? []).flatMap(({ asns }) => asns).join(' '),
        localPref: attribute(5)?.value as number | undefined,
        multiExitDisc: attribute(4)?.metric,
        communities: (attribute(8)?.communities ?? [])
          .map(community => `${community >>> 16}:${community & 0xffff}`)
          .sort(),
        largeCommunities: large.map(({ ASN, LocalData1, LocalData2 }) => `${ASN}:${LocalData1}:${LocalData2}`).sort(),
        extendedCommunities: extended.map(one => JSON.stringify(one)),
        stale: stale ?? false,
      }
    })
}

function configuration(settings: RouterSettings): string {
  const { localAs, peerAs, remote, holdTimeSeconds, families, password, ttlSecurity, passive, gracefulRestart } =
    settings
  return [
    '[global.config]',
    `  as = ${localAs}`,
    '  router-id = "192.0.2.2"',
    '[[neighbors]]',
    '  [neighbors.config]',
    `    neighbor-address = "${remote}"`,
    `    peer-as = ${peerAs}`,
    ...(password === undefined ? [] : [`    auth-password = "${password}"`]),
    '  [neighbors.timers.config]',
    '    connect-retry = 1',
    '    idle-hold-time-after-reset = 1',
    `    hold-time = ${holdTimeSeconds}`,
    `    keepalive-interval = ${holdTimeSeconds / 3}`,
    ...(passive ? ['  [neighbors.transport.config]', '    passive-mode = true'] : []),
    ...(settings.multihop && localAs !== peerAs
      ? ['  [neighbors.ebgp-multihop.config]', '    enabled = true', '    multihop-ttl = 4']
      : []),
    ...(ttlSecurity ? ['  [neighbors.ttl-security.config]', '    enabled = true', '    ttl-min = 255'] : []),
    ...(gracefulRestart
      ? [
          '  [neighbors.graceful-restart.config]',
          '    enabled = true',
          '    restart-time = 30',
          '    helper-only = true',
        ]
      : []),
    ...families.flatMap(family => [
      '  [[neighbors.afi-safis]]',
      '    [neighbors.afi-safis.config]',
      `      afi-safi-name = "${family.toLowerCase()}-unicast"`,
      ...(gracefulRestart ? ['    [neighbors.afi-safis.mp-graceful-restart.config]', '      enabled = true'] : []),
    ]),
    '',
  ].join('\n')
}
