import type { ChildProcess } from 'node:child_process'
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

/** BIRD 2, asked by birdc. */
export const bird: RouterMake = { name: 'BIRD', package: 'bird2', start }

/** BIRD on a host, asked by birdc. */
export interface BirdDaemon {
  readonly ask: (command: string) => Promise<string>
  /** Another configuration, taken over while it runs. */
  readonly reconfigure: (lines: readonly string[]) => Promise<void>
  readonly daemon: ChildProcess
  /** What it wrote so far. */
  readonly said: () => string
  readonly end: (signal: NodeJS.Signals) => Promise<void>
}

/** Starts BIRD with this configuration, besides what every one needs, and waits until it answers. */
export async function startBird(host: LabHost, lines: readonly string[]): Promise<BirdDaemon> {
  const place = await makeWorkplace('bird')
  const common = ['router id 192.0.2.2;', 'log stderr all;', 'protocol device {}']
  const write = (more: readonly string[]): Promise<string> =>
    place.write('bird.conf', `${[...common, ...more].join('\n')}\n`)
  const socket = `${place.folder}/ctl`
  const daemon = place.spawn(host, ['bird', '-f', '-c', await write(lines), '-s', socket])
  const ask = async (command: string): Promise<string> => (await host.exec(['birdc', '-s', socket, command])).stdout
  await until(
    'bird answers',
    () => ask('show status'),
    text => text.includes('Daemon is up'),
  ).catch(error => {
    throw new Error(`${String(error)}\n${place.said()}`)
  })
  return {
    ask,
    async reconfigure(changed) {
      await write(changed)
      await ask('configure')
    },
    daemon,
    said: () => place.said(),
    async end(signal) {
      await kill(daemon, signal)
      await place.remove()
    },
  }
}

async function start(host: LabHost, settings: RouterSettings): Promise<Router> {
  const { ask, reconfigure, daemon, said, end } = await startBird(host, configuration(settings))
  return {
    isEstablished: async () => /BGP state:\s+Established/.test(await ask('show protocols all berth')),
    async routes() {
      const stale = /graceful restart active/i.test(await ask('show protocols all berth'))
      return routesIn(await ask('show route protocol berth all'), stale)
    },
    async announce() {
      for (const family of settings.families) await ask(`enable own${family}`)
    },
    async retract() {
      for (const family of settings.families) await ask(`disable own${family}`)
    },
    async refresh() {
      await ask('reload in berth')
    },
    setPassword: password => reconfigure(configuration({ ...settings, password })),
    bfdIsUp: async () => new RegExp(`^${settings.remote}\\s+\\S+\\s+Up`, 'm').test(await ask('show bfd sessions')),
    neighbour: async () => `${await ask('show protocols all berth')}\n${said()}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void daemon.kill('SIGSTOP'),
    thaw: () => void daemon.kill('SIGCONT'),
  }
}

/**
 * A route begins at the margin (or with blanks where it shares its prefix); what is said of it follows,
 * indented. BIRD marks no single route as stale: it says of the neighbour that it is restarting.
 */
function routesIn(text: string, stale: boolean): readonly SeenRoute[] {
  const blocks = text.split(/^(?=[0-9a-f][0-9a-f.:]*\/\d+\s)/m).slice(1)
  return blocks.map(block => {
    const attribute = (name: string) => new RegExp(`BGP\\.${name}: (.*)`).exec(block)?.[1]?.trim()
    const number = (name: string) => (attribute(name) === undefined ? undefined : Number(attribute(name)))
    const list = (name: string) =>
      [...(attribute(name) ?? '').matchAll(/\(([^)]*)\)/g)]
        .map(([, inner = '']) => inner.replaceAll(/,\s*/g, ':'))
        .sort()
    return {
      prefix: block.split(/\s/)[0] ?? '',
      nextHop: attribute('next_hop')?.split(' ')[0] ?? '',
      asPath: attribute('as_path') ?? '',
      localPref: number('local_pref'),
      multiExitDisc: number('med'),
      communities: list('community'),
      largeCommunities: list('large_community'),
      extendedCommunities: list('ext_community'),
      stale,
    }
  })
}

function configuration(settings: RouterSettings): readonly string[] {
  const { localAs, peerAs, local, remote, holdTimeSeconds, families, password, bfd } = settings
  return [
    'protocol direct { ipv4; ipv6; }',
    ...(bfd
      ? [`protocol bfd { interface "*" { interval ${bfd.intervalMs} ms; multiplier ${bfd.multiplier}; }; }`]
      : []),
    'filter decorate {',
    '  if source != RTS_STATIC then reject;',
    '  bgp_community.add((64513, 1)); bgp_community.add((65535, 65281));',
    '  bgp_large_community.add((64513, 1, 2)); bgp_ext_community.add((rt, 64513, 5));',
    `  bgp_med = 50; bgp_path.prepend(${localAs}); accept;`,
    '}',
    ...families.map(
      family =>
        `protocol static own${family} { disabled; ${family.toLowerCase()}; route ${routerRoutes[family]} blackhole; }`,
    ),
    'protocol bgp berth {',
    `  local ${local} as ${localAs};`,
    `  neighbor ${remote} as ${peerAs};`,
    `  hold time ${holdTimeSeconds};`,
    '  connect delay time 1; connect retry time 1; error wait time 1, 2;',
    ...(password === undefined ? [] : [`  password "${password}";`]),
    ...(settings.ttlSecurity ? ['  ttl security on;'] : []),
    ...(settings.passive ? ['  passive on;'] : []),
    ...(settings.multihop ? ['  multihop 4;'] : []),
    // Where it is only on, BFD that ends with our process ends the waiting for us too.
    ...(bfd ? [`  bfd ${settings.gracefulRestart ? 'graceful' : 'on'};`] : []),
    ...families.map(family => `  ${family.toLowerCase()} { import all; export filter decorate; };`),
    '}',
  ]
}
