import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest'
import { type Frr, startFrr } from '../interop/frr-daemons.ts'
import { berthNamespace, type Program, startBerth } from '../lab/berth.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { whyNoRouter } from '../lab/router.ts'
import { snippet } from './snippets.ts'

/*
 * "The first session in five minutes" of docs/bgp.md, done as a reader would: the router's snippet, the manifests, and
 * then what kubectl shows.
 */

const obstacle = await whyNoRouter(console.warn)
if (obstacle !== undefined) console.warn(`skipped: the first session of docs/bgp.md: ${obstacle}`)

const patience = { timeout: 60_000, interval: 200 }
let lab: Lab
let router: Frr
let speakers: ReadonlyMap<string, Program>

beforeAll(async () => {
  if (obstacle !== undefined) return
  lab = await startLab({ nodes: 2, progress: console.warn })
  ;({ speakers } = await startBerth(lab))
  router = await topOfRack()
})
afterAll(() => lab?.stop())

/** The router that the page begins with, on the lab's segment. */
async function topOfRack(): Promise<Frr> {
  const namespace = await lab.world.createNamespace()
  const { exec, spawn } = namespace
  const host = {
    name: 'tor',
    namespace,
    interface: 'eth0',
    mac: '00:00:5e:00:53:01',
    ipv4: '192.0.2.1',
    ipv6: '',
    exec,
    spawn,
  }
  await lab.segment.attach(namespace, { port: 'tor', interface: 'eth0', mac: host.mac, addresses: ['192.0.2.1/24'] })
  const router = await startFrr(host, ['bgpd'], snippet('bgp.md', 'frr-first').split('\n'))
  lab.onStop(() => router.end('SIGKILL'))
  return router
}

/** A table of kubectl as rows of cells; columns are apart by two spaces or more. */
async function table(...args: readonly string[]): Promise<string[][]> {
  const text = await lab.controlPlane.kubectl(['get', ...args])
  return text
    .trimEnd()
    .split('\n')
    .map(line => line.trim().split(/ {2,}/))
}

test.skipIf(obstacle !== undefined)('the first session is there, and kubectl shows what the page shows', async () => {
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: snippet('bgp.md', 'first-session') })
  const ports = [{ name: 'http', protocol: 'TCP', port: 80 }]
  const service = { metadata: { name: 'web' }, spec: { type: 'LoadBalancer', ports } }
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'Service', ...service })
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input })
  const [node] = lab.nodes
  if (!node) throw new Error('the lab has no node')
  await lab.deployEndpoint('web', node, 8080)

  onTestFailed(async () => {
    console.warn(await router.ask('show bgp summary'))
    for (const speaker of speakers.values()) console.warn(`${speaker.name}:\n${await speaker.logTail(20)}`)
  })
  await vi.waitFor(async () => {
    expect(await table('-n', berthNamespace, 'lbsession')).toEqual([
      ['NAME', 'NODE', 'PEER', 'REMOTE', 'STATE', 'BFD', 'SENT', 'RECEIVED', 'SINCE'],
      ['node-1.tor', 'node-1', 'tor', '192.0.2.1', 'Established', '1', '0', expect.any(String)],
      ['node-2.tor', 'node-2', 'tor', '192.0.2.1', 'Established', '1', '0', expect.any(String)],
    ])
  }, patience)
  await vi.waitFor(async () => {
    expect(await table('servicebgpstatuses')).toEqual([
      ['NAME', 'NODE', 'SERVICE-NAMESPACE', 'SERVICE', 'PEERS', 'SINCE'],
      [expect.stringMatching(/^web-.*\.node-1$/), 'node-1', 'default', 'web', 'tor', expect.any(String)],
      [expect.stringMatching(/^web-.*\.node-2$/), 'node-2', 'default', 'web', 'tor', expect.any(String)],
    ])
  }, patience)
  const announced = 'jsonpath={.status.conditions[?(@.type=="berth.dev/Announced")].message}'
  await vi.waitFor(async () => {
    const said = await lab.controlPlane.kubectl(['get', 'service', 'web', '-o', announced])
    expect(said).toBe('BGP: nodes node-1, node-2 announce 203.0.113.0 to peer tor')
  }, patience)
  // The router's kernel learns of a route a moment after its bgpd has it.
  await vi.waitFor(async () => {
    const route = await router.ask('show ip route 203.0.113.0')
    expect(route).toMatch(/\* 192\.0\.2\.11, via eth0, weight 1[^]*\* 192\.0\.2\.12, via eth0, weight 1/)
  }, patience)
})
