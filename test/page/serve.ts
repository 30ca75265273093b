/**
 * `node test/page/serve.ts [SERVICES]` shows the status page of a large cluster that nobody runs, until Ctrl-C: to look at
 * while one works on it.
 */
import { once } from 'node:events'
import { pino } from 'pino'
import { openCluster } from '../../controller/test-cluster.ts'
import { servePage } from '../../page/serve.ts'
import { startControlPlane } from '../control-plane/control-plane.ts'
import { buildScene, usualServices } from './scene.ts'

await using controlPlane = await startControlPlane({ progress: line => console.log(line) })
const cluster = await openCluster(controlPlane)
const startMs = performance.now()
await buildScene(controlPlane, cluster, { services: Number(process.argv[2] ?? usualServices) })
console.log(`built in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
const page = await servePage({
  address: { host: '127.0.0.1', port: Number(process.argv[3] ?? 7474), isLoopback: true },
  transport: cluster.transport,
  watcher: {
    kubeconfig: await controlPlane.kubeconfig(),
    namespace: 'berth-system',
    loadBalancerClass: undefined,
    logLevel: 'info',
  },
  log: pino(),
})
console.log(`http://127.0.0.1:${page.port}`)
await once(process, 'SIGINT')
await page.close()
cluster.transport.close()
