import { until } from '../../interop/until.ts'
import type { Lab } from '../../lab/lab.ts'
import { benchPool, prepareBerth } from '../speakers.ts'
import { fastProfile, frrConfiguration } from './frr-configuration.ts'
import { startFrrPod } from './frr-pod.ts'
import { type MeasuringRouter, startMeasuringRouter } from './router.ts'
import { addresses, addStation, announcerAs, routerAs, type Station } from './stations.ts'
import { openVty, type Vty } from './vty.ts'

/** One announcer and the router, whose cable was cut again and again: milliseconds from the cut. */
export interface DeadPeerResult {
  readonly name: 'Berth' | 'FRR'
  /** Until its session was down, by its own account. */
  readonly ownMs: number[]
  /** Until the router had none of its routes. */
  readonly routerMs: number[]
}

const askEveryMs = 2
const { intervalMs, multiplier } = fastProfile

/**
 * Berth on one node and FRR on another, both with a BFD session of 50 ms × 3 to the same router. Each cut takes the
 * router's cable, so both lose it in the same moment, and it both.
 */
export async function measureDeadPeer(options: {
  readonly lab: Lab
  readonly router: Station
  readonly cuts: number
  readonly progress: (line: string) => void
}): Promise<readonly DeadPeerResult[]> {
  const { lab, router: station, cuts, progress } = options
  const router = await startMeasuringRouter(station, { bfd: true })
  const start = await prepareBerth(lab, [
    benchPool,
    {
      kind: 'BFDProfile',
      name: fastProfile.name,
      spec: { transmitInterval: intervalMs, receiveInterval: intervalMs, detectMultiplier: multiplier },
    },
    {
      kind: 'BGPPeer',
      name: 'router',
      spec: {
        myASN: announcerAs,
        peerASN: routerAs,
        peerAddress: addresses.router,
        connectTime: '1s',
        bfdProfile: fastProfile.name,
      },
    },
    { kind: 'BGPAdvertisement', name: 'bench', spec: {} },
  ])
  const fallsOfBerth: number[] = []
  const speaker = start({ onLine: line => takeFall(line, fallsOfBerth) })
  const frrNode = await addStation(lab, 'frr-node', addresses.frrNode)
  const announcing = frrConfiguration({
    routerId: addresses.frrNode,
    peers: [addresses.router],
    routes: ['10.79.0.1/32'],
    bfdProfile: fastProfile.name,
  })
  const pod = await startFrrPod(frrNode, [...fastProfile.lines, ...announcing])
  const vty = await openVty(pod.path('/run/frr/bgpd.vty'))
  const berth: DeadPeerResult = { name: 'Berth', ownMs: [], routerMs: [] }
  const frr: DeadPeerResult = { name: 'FRR', ownMs: [], routerMs: [] }
  try {
    for (let cut = 1; cut <= cuts; cut++) {
      await bothStand(router)
      fallsOfBerth.length = 0
      const cutAtMs = epochMs()
      station.cut()
      const [berthRouterMs, frrRouterMs, frrOwnMs] = await Promise.all([
        routesGone(router, addresses.node),
        routesGone(router, addresses.frrNode),
        sessionGone(vty),
      ])
      const [berthOwnMs = Number.NaN] = await until(
        'Berth notices',
        async () => fallsOfBerth,
        list => list.length > 0,
      )
      station.heal()
      berth.ownMs.push(berthOwnMs - cutAtMs)
      berth.routerMs.push(berthRouterMs - cutAtMs)
      frr.ownMs.push(frrOwnMs - cutAtMs)
      frr.routerMs.push(frrRouterMs - cutAtMs)
      const words = (result: DeadPeerResult) =>
        `${result.name} ${result.ownMs.at(-1)?.toFixed(0)} ms, its routes ${result.routerMs.at(-1)?.toFixed(0)} ms`
      progress(`cut ${cut} of ${cuts}: ${words(berth)}; ${words(frr)}`)
    }
    return [berth, frr]
  } finally {
    vty.close()
    await speaker.stop()
    await pod.stop()
    await router.stop()
  }
}

/** Milliseconds since the epoch, with fractions: what Berth's log says, too. */
function epochMs(): number {
  return performance.timeOrigin + performance.now()
}

function takeFall(line: string, falls: number[]): void {
  if (!line.includes('"BGP session down"') || !line.includes('"peer":"router"')) return
  falls.push(Date.parse((JSON.parse(line) as { time: string }).time))
}

async function bothStand(router: MeasuringRouter): Promise<void> {
  for (const address of [addresses.node, addresses.frrNode]) {
    const stands = (seen: { established: boolean; routes: number }) => seen.established && seen.routes > 0
    await router.until('the session stands', address, stands, 60_000)
  }
  await until(
    'BFD of both is up, at its own pace',
    () => router.bfdDetectionMs(),
    list => list.length === 2 && list.every(one => one === intervalMs * multiplier),
    60_000,
  )
}

async function routesGone(router: MeasuringRouter, address: string): Promise<number> {
  for (;;) {
    const { routes } = await router.seen(address)
    if (routes === 0) return epochMs()
    await new Promise(wake => setTimeout(wake, askEveryMs))
  }
}

async function sessionGone(vty: Vty): Promise<number> {
  for (;;) {
    const text = await vty.ask(`show bgp neighbors ${addresses.router} json`)
    if (!text.includes('"bgpState":"Established"')) return epochMs()
    await new Promise(wake => setTimeout(wake, askEveryMs))
  }
}
