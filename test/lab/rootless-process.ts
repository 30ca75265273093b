import { setTimeout as delay } from 'node:timers/promises'
import { startLab } from './lab.ts'
import { urlOf } from './probe.ts'

/*
 * Whoever runs this starts a lab of one node with a Service on it, asks that as a client does, and says what came of it:
 * `{"rootless":true,"answers":["node-1 …","node-1 …"]}`, one answer by each family.
 */

const addresses = ['192.0.2.200', '2001:db8:0:2::200']

await using lab = await startLab({ nodes: 1, controlPlane: { crds: false }, progress: console.error })
const { client, controlPlane, nodes, world } = lab
const [node] = nodes
if (node === undefined) throw new Error('no node')
const spec = { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack', ports: [{ name: 'http', port: 80 }] }
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec }
await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(service) })
const status = JSON.stringify({ status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } } })
await controlPlane.kubectl(['patch', 'service', 'web', '--subresource=status', '--type=merge', '-p', status])
await lab.deployEndpoint('web', node, 8080)
for (const address of addresses) {
  // Nobody announces the addresses here: the client is told that they are at the node.
  const entry = ['lladdr', node.mac, 'dev', client.interface, 'nud', 'permanent']
  await client.namespace.run(['ip', 'neigh', 'replace', address, ...entry])
}
const answers = await Promise.all(addresses.map(answerOf))
process.stdout.write(`${JSON.stringify({ rootless: world.rootless, answers })}\n`)

/** What the client hears once kube-proxy has written its rules; empty where that does not come to pass. */
async function answerOf(address: string): Promise<string> {
  const giveUpAt = performance.now() + 20_000
  while (performance.now() < giveUpAt) {
    const { stdout } = await client.exec(['curl', '-s', '-m', '1', urlOf(address)])
    if (stdout !== '') return stdout.trim()
    await delay(100)
  }
  return ''
}
