import { startControlPlane } from '../control-plane/control-plane.ts'
import { bird as birdMake } from '../interop/bird.ts'
import { frr as frrMake } from '../interop/frr.ts'
import { whyNotInstalled } from '../interop/router.ts'
import { startLab } from '../lab/lab.ts'
import { benchApi } from './api.ts'
import { measureClientOutage } from './bgp/client-outage.ts'
import { measureDeadPeer } from './bgp/dead-peer.ts'
import { type AnnouncerResult, type MeasureOptions, measureAnnouncer } from './bgp/measure.ts'
import { type BgpNumbers, bgpText } from './bgp/report.ts'
import { startMeasuringRouter } from './bgp/router.ts'
import { bird, frr, frrReload } from './bgp/routers.ts'
import { berth, metallbFrr, metallbNative } from './bgp/speakers.ts'
import { addresses, addStation } from './bgp/stations.ts'
import { startWitness } from './bgp/witness.ts'
import { createEndpoints, createPending, rawStatusPatchesPerSecond } from './services.ts'
import { apiServer } from './speakers.ts'

/** Routes to a router, their withdrawal, a dead router, and memory: Berth's BGP beside MetalLB's, FRR's and BIRD's. */
export async function bgpSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  for (const make of [frrMake, birdMake, { name: 'frr-reload.py', package: 'frr-pythontools' }]) {
    const obstacle = await whyNotInstalled(make)
    if (obstacle !== undefined) throw new Error(obstacle)
  }
  // After the large cluster is gone: what it leaves to collect would be in the way.
  const numbers = await measure(options)
  const clientOutagesMs = await measureClientOutage({ cuts: options.quick ? 3 : 15, progress: options.progress })
  return bgpText({ ...numbers, clientOutagesMs })
}

async function measure({
  quick,
  progress,
}: Parameters<typeof bgpSection>[0]): Promise<Omit<BgpNumbers, 'clientOutagesMs'>> {
  const routes = quick ? 500 : 5_000
  await using controlPlane = await startControlPlane({ addresses: [apiServer.host], progress })
  await using lab = await startLab({ nodes: 1, controlPlane, progress })
  const [node] = lab.nodes
  if (!node) throw new Error('the lab has no node')
  // kube-proxy is the same beside everybody, and on a small machine as large a part as what is measured.
  await node.namespace.killAll()
  const api = await benchApi(controlPlane, 32)
  progress(`creating ${routes} Services with an address and an endpoint each`)
  await createPending(api, routes)
  await rawStatusPatchesPerSecond(api, routes, 16)
  await createEndpoints(api, routes)

  const station = await addStation(lab, 'router', addresses.router)
  const router = await startMeasuringRouter(station)
  const witness = await startWitness(await addStation(lab, 'witness', addresses.witness))
  const second = await startWitness(await addStation(lab, 'second', addresses.second))
  const withdrawals = quick ? 10 : 200
  const common = { router, witness, routes, withdrawals, memory: true, progress } satisfies MeasureOptions
  const announcers: AnnouncerResult[] = []
  announcers.push(await measureAnnouncer(berth(lab, api), common))
  announcers.push(await measureAnnouncer(metallbNative(lab, api), common))
  // With all of them it would take an hour.
  const few = { ...common, routes: routes / 10, withdrawals: 2, memory: false }
  announcers.push(await measureAnnouncer(metallbFrr(lab, api), few))
  announcers.push(await measureAnnouncer(frr(node), common))
  announcers.push(await measureAnnouncer(frrReload(node), { ...common, withdrawals: 3, memory: false }))
  announcers.push(await measureAnnouncer(bird(node), common))
  await router.stop()
  witness.stop()
  second.stop()
  const deadPeer = await measureDeadPeer({ lab, router: station, cuts: quick ? 5 : 20, progress })
  api.close()
  return { routes, withdrawals, announcers, deadPeer }
}
