import { parseArgs } from 'node:util'
import { startCluster, whyNoCluster } from './cluster.ts'
import { buildArchive, imageName } from './image.ts'

/** `npm run real-cluster`: real nodes with Berth's image on them, to try the chart on, until Ctrl-C. */
const { values } = parseArgs({ options: { nodes: { type: 'string', default: '3' } } })
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

const obstacle = await whyNoCluster(console.log)
if (obstacle !== undefined) {
  console.error(`No real cluster on this machine: ${obstacle}`)
  process.exit(1)
}
try {
  const image = await buildArchive(console.log)
  const started = performance.now()
  const options = { nodes: Number(values.nodes), images: [image], progress: console.log, signal: stop.signal }
  await using cluster = await startCluster(options)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${values.nodes} nodes are Ready after ${seconds} s. In another terminal, as root:

  export KUBECONFIG=${await cluster.controlPlane.kubeconfig()}

and docs/install.md from its first command: every node has the image ${imageName}. Their segment is 192.0.2.0/24 and
2001:db8:0:2::/64; a machine on it, to ask from:

  ${cluster.client.namespace.enterCommand.join(' ')} curl http://192.0.2.100

What pods say is below ${cluster.directory}/NODE/pods. Ctrl-C ends all of it and removes it.`)
  await new Promise(resolve => {
    const alive = setInterval(() => {}, 60_000)
    stop.signal.addEventListener('abort', () => resolve(clearInterval(alive)))
  })
} catch (error) {
  if (!stop.signal.aborted) throw error
}
