import { existsSync } from 'node:fs'
import { makeWorkplace } from '../../interop/router.ts'
import { until } from '../../interop/until.ts'
import { kill } from '../../lab/namespace.ts'
import { asItsUser, fastProfile } from './frr-configuration.ts'
import { addresses, announcerAs, routerAs, type Station } from './stations.ts'
import { openVty } from './vty.ts'

/** The router by whose own account everybody is measured: FRR, which is dialled and takes what it is told. */
export interface MeasuringRouter {
  /** What it says of its session with an announcer. */
  seen(announcer: string): Promise<SeenSession>
  /** Asks until the answer is one that `accept` takes, and gives back the moment (performance.now) of that answer. */
  until(what: string, announcer: string, accept: (seen: SeenSession) => boolean, withinMs: number): Promise<number>
  /** Of each BFD session that is up: how long silence may last. */
  bfdDetectionMs(): Promise<readonly number[]>
  /** Ends the session, to see how fast a new one fills. */
  clear(announcer: string): Promise<void>
  stop(): Promise<void>
}

export interface SeenSession {
  readonly established: boolean
  /** How many there have been. */
  readonly sessions: number
  readonly routes: number
  /** UPDATE messages received so far, over all sessions. */
  readonly updates: number
}

interface Neighbour {
  readonly bgpState?: string
  readonly connectionsEstablished?: number
  readonly messageStats?: { readonly updatesRecv?: number }
  readonly addressFamilyInfo?: { readonly ipv4Unicast?: { readonly acceptedPrefixCounter?: number } }
}

interface BfdPeer {
  readonly status: string
  readonly 'remote-transmit-interval': number
  readonly 'remote-detect-multiplier': number
}

const programs = '/usr/lib/frr'
const askEveryMs = 10

export async function startMeasuringRouter(
  host: Station,
  { bfd = false }: { readonly bfd?: boolean } = {},
): Promise<MeasuringRouter> {
  const place = await makeWorkplace('bench-router')
  const config = await place.write('frr.conf', configuration(bfd))
  await host.namespace.run(['chown', '-R', 'frr:frr', place.folder])
  const common = ['-f', config, '-z', `${place.folder}/zserv.api`, '--vty_socket', place.folder, '--log', 'stdout']
  const start = (name: string, ...more: readonly string[]) =>
    place.spawn(host, [...asItsUser, `${programs}/${name}`, ...common, '-i', `${place.folder}/${name}.pid`, ...more])
  const exists = (file: string) =>
    until(`${file} of the router`, async () => existsSync(`${place.folder}/${file}`), Boolean, 30_000)
  const zebra = start('zebra')
  await exists('zserv.api')
  const bfdd = start('bfdd', '--bfdctl', `${place.folder}/bfdd.sock`)
  await exists('bfdd.vty')
  // Its kernel's table is its own affair: 5,000 routes more or less there would take time from who is measured.
  const bgpd = start('bgpd', '--no_kernel')
  await exists('bgpd.vty')
  const vty = await openVty(`${place.folder}/bgpd.vty`)
  const bfdVty = await openVty(`${place.folder}/bfdd.vty`)

  const seen = async (announcer: string): Promise<SeenSession> => {
    const answer = JSON.parse(await vty.ask(`show bgp neighbors ${announcer} json`)) as Record<string, Neighbour>
    const neighbour = answer[announcer] ?? {}
    return {
      established: neighbour.bgpState === 'Established',
      sessions: neighbour.connectionsEstablished ?? 0,
      routes: neighbour.addressFamilyInfo?.ipv4Unicast?.acceptedPrefixCounter ?? 0,
      updates: neighbour.messageStats?.updatesRecv ?? 0,
    }
  }
  return {
    seen,
    async until(what, announcer, accept, withinMs) {
      const giveUpAt = performance.now() + withinMs
      for (;;) {
        const now = await seen(announcer)
        if (accept(now)) return performance.now()
        if (performance.now() > giveUpAt)
          throw new Error(`${what}: not within ${withinMs / 1000} s; the router sees ${JSON.stringify(now)}`)
        await new Promise(wake => setTimeout(wake, askEveryMs))
      }
    },
    clear: async announcer => void (await vty.ask(`clear bgp ${announcer}`)),
    async bfdDetectionMs() {
      const peers = JSON.parse(await bfdVty.ask('show bfd peers json')) as readonly BfdPeer[]
      return peers
        .filter(({ status }) => status === 'up')
        .map(peer => peer['remote-transmit-interval'] * peer['remote-detect-multiplier'])
    },
    async stop() {
      vty.close()
      bfdVty.close()
      for (const daemon of [bgpd, bfdd, zebra]) await kill(daemon)
      await place.remove()
    },
  }
}

function configuration(bfd: boolean): string {
  const session = [`remote-as ${announcerAs}`, 'passive', 'timers 30 90', 'route-map nothing out']
  if (bfd) session.push(`bfd profile ${fastProfile.name}`)
  const neighbour = (address: string) => session.map(line => ` neighbor ${address} ${line}`)
  return [
    'frr defaults traditional',
    ...fastProfile.lines,
    `router bgp ${routerAs}`,
    ` bgp router-id ${addresses.router}`,
    ' no bgp ebgp-requires-policy',
    ...neighbour(addresses.node),
    ...neighbour(addresses.frrNode),
    // FRR would tell everybody his own routes again.
    'route-map nothing deny 10',
    '',
  ].join('\n')
}
