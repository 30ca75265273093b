import { join } from 'node:path'
import type { Lab } from '../../lab/lab.ts'
import type { LabNode } from '../../lab/node.ts'
import type { BenchApi } from '../api.ts'
import { metallbModule } from '../contenders.ts'
import type { Program } from '../program.ts'
import { serviceAddress, setEndpoint } from '../services.ts'
import { type ConfigObject, prepareBerth, prepareMetalLB } from '../speakers.ts'
import type { Announcer, RunningAnnouncer } from './announcer.ts'
import { type FrrPod, startFrrPod } from './frr-pod.ts'
import { addresses, announcerAs, routerAs } from './stations.ts'

/** Three peers that hear the address of each of the first Services as a route of its own. */
function configuration(services: number): readonly ConfigObject[] {
  const peers = ['router', 'witness', 'second'] as const
  return [
    {
      kind: 'IPAddressPool',
      name: 'bench',
      spec: { addresses: [`${serviceAddress(0)}-${serviceAddress(services - 1)}`] },
    },
    ...peers.map(name => ({
      kind: 'BGPPeer',
      name,
      spec: { myASN: announcerAs, peerASN: routerAs, peerAddress: addresses[name] },
    })),
    { kind: 'BGPAdvertisement', name: 'bench', spec: {} },
  ]
}

/** Berth's speaker, which finds the Services at the API server. */
export function berth(lab: Lab, api: BenchApi): Announcer {
  return {
    name: 'Berth',
    async start(routes) {
      const start = await prepareBerth(lab, configuration(routes))
      return running(api, start())
    },
  }
}

/** MetalLB's speaker with its own BGP. */
export function metallbNative(lab: Lab, api: BenchApi): Announcer {
  return {
    name: 'MetalLB, native',
    async start(routes) {
      const start = await prepareMetalLB(lab, configuration(routes))
      return running(api, start({ environment: { METALLB_BGP_TYPE: 'native' } }))
    },
  }
}

/** MetalLB's speaker as it writes FRR's configuration, its reload script and FRR. */
export function metallbFrr(lab: Lab, api: BenchApi): Announcer {
  return {
    name: 'MetalLB, FRR',
    async start(routes) {
      const start = await prepareMetalLB(lab, configuration(routes))
      const [node] = lab.nodes
      if (!node) throw new Error('the lab has no node')
      const pod = await startFrrPod(node, ['frr defaults traditional'])
      await startReloader(node, pod)
      const environment = {
        METALLB_BGP_TYPE: 'frr',
        FRR_CONFIG_FILE: `${sharedFolder}/frr.conf`,
        FRR_RELOADER_PID_FILE: `${sharedFolder}/reloader.pid`,
      }
      return running(api, start({ enter: pod.enter, environment }), pod)
    },
  }
}

/** Not the machine's /etc/frr_reloader: gone with the pod. */
const sharedFolder = '/run/frr_reloader'

/** MetalLB's script, which runs frr-reload.py, first to try and then to do it, whenever the speaker sends it a signal. */
async function startReloader(node: LabNode, pod: FrrPod): Promise<void> {
  const script = join(await metallbModule(), 'frr-tools/reloader/frr-reloader.sh')
  node.spawn([...pod.enter, 'env', `SHARED_VOLUME=${sharedFolder}`, 'bash', script], { stdio: 'ignore' })
  await pod.appears(`${sharedFolder}/reloader.pid`)
}

function running(api: BenchApi, program: Program, pod?: FrrPod): RunningAnnouncer {
  const gone: number[] = []
  return {
    startedAt: program.startedAt,
    programs: [program, ...(pod?.daemons ?? [])],
    async withdraw(index) {
      gone.push(index)
      await setEndpoint(api, index, false)
    },
    async stop() {
      await program.stop()
      await pod?.stop()
      for (const index of gone) await setEndpoint(api, index, true)
    },
  }
}
