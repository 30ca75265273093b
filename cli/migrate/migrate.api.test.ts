import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, openCluster } from '../../controller/test-cluster.ts'
import { metallbCRDs } from '../../test/bench/contenders.ts'
import { node, speakerLease } from '../../test/cli/world.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane/control-plane.ts'
import { plain } from '../paint.ts'
import { createProgram } from '../program.ts'

/*
 * kubectl berth migrate against the real API server, with MetalLB's own kinds; MetalLB itself is only what stands there.
 * test/e2e/migrate.net.test.ts has it alive.
 */

let controlPlane: ControlPlane
let cluster: Cluster
let kubeconfig: string

const metallb = (kind: string, name: string, spec: object, version = 'v1beta1'): object => ({
  apiVersion: `metallb.io/${version}`,
  kind,
  metadata: { name, namespace: 'metallb-system' },
  spec,
})

async function apply(...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await controlPlane.kubectl(['apply', '-f', '-'], { input })
}

async function berth(
  ...args: readonly string[]
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  let [out, err, code] = ['', '', 0]
  const program = createProgram({
    write: text => void (out += text),
    complain: text => void (err += text),
    setExitCode: given => void (code = given),
    environment: { KUBECONFIG: kubeconfig },
    paint: plain,
  })
  await program.parseAsync(['migrate', 'from-metallb', ...args], { from: 'user' })
  return { out, err, code }
}

/** A Service that MetalLB has given an address, and announces from a node. */
async function served(name: string, ip: string, announcer?: string): Promise<void> {
  await cluster.service(name)
  const path = `/api/v1/namespaces/default/services/${name}/status`
  const body = { status: { loadBalancer: { ingress: [{ ip }] } } }
  await cluster.transport.request({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body })
  await apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.1'], nodeName: 'node-1', conditions: { ready: true } }],
    ports: [{ name: 'web', port: 80 }],
  })
  if (announcer === undefined) return
  const status = { node: announcer, serviceName: name, serviceNamespace: 'default' }
  await apply(metallb('ServiceL2Status', `l2-${name}`, {}))
  const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })]
  await controlPlane.kubectl(['-n', 'metallb-system', 'patch', 'servicel2statuses.metallb.io', `l2-${name}`, ...patch])
}

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  kubeconfig = await controlPlane.kubeconfig()
})
afterAll(async () => {
  cluster?.transport.close()
  await controlPlane?.stop()
})

test('a cluster without MetalLB is told from one with it', async () => {
  expect(await berth()).toMatchObject({ code: 1, err: expect.stringContaining('There is nothing of MetalLB') })
  for (const file of await metallbCRDs()) await controlPlane.kubectl(['apply', '--server-side', '-f', file])
  await controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metallb-system' } })
  await apply(
    metallb('IPAddressPool', 'public', { addresses: ['192.0.2.0/24'] }),
    metallb('L2Advertisement', 'public', { ipAddressPools: ['public'] }),
    metallb(
      'BGPPeer',
      'tor',
      { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1', passwordSecret: { name: 'tor' } },
      'v1beta2',
    ),
  )
  expect(await berth()).toMatchObject({ code: 0, out: expect.stringContaining('Write Berth') })
})

test('what is converted is taken by the API server as it is written', async () => {
  const golden = join(import.meta.dirname, '../../test/cli/migrate/golden')
  const files = (await readdir(golden)).filter(file => file.endsWith('.yaml'))
  expect(files).toHaveLength(3)
  for (const file of files) await controlPlane.kubectl(['apply', '--dry-run=server', '-f', join(golden, file)])
})

test('nothing is written while a Service would not keep its address, and none while no speaker lives', async () => {
  await served('web', '192.0.2.7', 'node-1')
  await served('stray', '198.51.100.7')
  const refused = await berth('--apply')
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(refused.err).toContain('1 Service would not keep what it has (default/stray)')
  expect((await berth()).out).toMatch(/default\/stray {2}198\.51\.100\.7/)
  await controlPlane.kubectl(['delete', 'service', 'stray'])
  expect((await berth('--apply')).err).toContain('No speaker of Berth lives yet')
  expect(await controlPlane.kubectl(['get', 'ipaddresspools.berth.dev', '-A'])).toBe('')
})

test('objects, Secrets and who announces what are written once', async () => {
  const { transport } = cluster
  await transport.request({ method: 'POST', path: '/api/v1/nodes', body: node('node-1') })
  const now = `${new Date().toISOString().slice(0, -1)}000Z`
  const { metadata, spec } = speakerLease('node-1', {}, now) as { metadata: object; spec: object }
  const leases = '/apis/coordination.k8s.io/v1/namespaces/berth-system/leases'
  const body = { metadata: { ...metadata, uid: undefined }, spec: { ...spec, leaseDurationSeconds: 600 } }
  await transport.request({ method: 'POST', path: leases, body })
  const secret = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/basic-auth', stringData: { password: 'p' } }
  await apply({ ...secret, metadata: { name: 'tor', namespace: 'metallb-system' } })

  const { out, err } = await berth('--apply')
  expect(err).toBe('')
  expect(out).toContain('3 objects written, 0 there already')
  expect(out).toContain('Secrets copied: tor')
  expect(out).toContain('For 1 of 1 Service at layer 2 Berth goes on at the node')
  const password = ['-n', 'berth-system', 'get', 'secret', 'tor', '-o', 'jsonpath={.data.password}']
  expect(Buffer.from(await controlPlane.kubectl(password), 'base64').toString()).toBe('p')
  const claim = [
    'get',
    'servicel2statuses.berth.dev',
    '-o',
    'jsonpath={.items[*].metadata.annotations.berth\\.dev/claim}',
  ]
  expect(JSON.parse(await controlPlane.kubectl(claim))).toEqual({ node: 'node-1', because: 'migrated' })
  expect((await berth('--apply')).out).toContain('0 objects written, 3 there already')
})

test('an object of the same name that says something else stops it', async () => {
  const patch = ['--type=merge', '-p', '{"spec":{"addresses":["192.0.2.0/25"]}}']
  await controlPlane.kubectl(['-n', 'berth-system', 'patch', 'ipaddresspools.berth.dev', 'public', ...patch])
  const { code, err } = await berth('--apply')
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('IPAddressPool public. Nothing is written') })
})
