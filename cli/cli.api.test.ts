import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Cluster,
  type ControllerProcess,
  openCluster,
  startController,
  until,
} from '../controller/test-cluster.ts'
import { runBerth, type Said } from '../test/cli/berth.ts'
import { node, speakerLease } from '../test/cli/world.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'

/*
 * kubectl-berth as a program, against the real API server and with a real controller. Speakers are only their Leases here,
 * written by hand.
 */

let controlPlane: ControlPlane
let cluster: Cluster
let controller: ControllerProcess
let kubeconfig: string

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  kubeconfig = await controlPlane.kubeconfig()
  controller = startController(kubeconfig)
  await controller.logged('took over what is assigned')
  await cluster.pool('public', { addresses: ['192.0.2.0/31'] })
  await cluster.pool('vip', { addresses: ['198.51.100.0/24'], serviceAllocation: { namespaces: ['bank'] } })
  for (const name of ['web', 'api', 'late']) {
    await cluster.service(name)
    if (name !== 'late')
      await until(async () => (await cluster.addressesOf(name)) !== '' || undefined, `${name} is served`)
  }
  await until(async () => (await cluster.get('late')).conditions.length > 0 || undefined, 'late is told why')
})

afterAll(async () => {
  await controller?.end('SIGTERM')
  cluster?.transport.close()
  await controlPlane?.stop()
})

const berth = (...args: readonly string[]): Promise<Said> => runBerth(kubeconfig, args)

test('status names the leader, the pool that is full and the Service that waits', async () => {
  const { out, err, code } = await berth('status')
  expect({ err, code }).toEqual({ err: '', code: 0 })
  expect(out).toMatch(/^Controller {2}alive, \S+ leads \(renewed \d+s ago\)/)
  expect(out).toMatch(/public +IPv4 +█{20} +100% +2 of 2 +True/)
  expect(out).toContain('Services  3, 2 with an address, 0 announced')
  expect(out).toMatch(/default\/late {2}no address: PoolsExhausted/)
  expect(out).not.toContain('\u001b')
  expect((await berth('status', '--exit-code')).code).toBe(1)
})

test('a node whose speaker lives can announce; when its Lease is over it cannot', async () => {
  const { transport } = cluster
  const now = `${new Date().toISOString().slice(0, -1)}000Z`
  await transport.request({ method: 'POST', path: '/api/v1/nodes', body: node('node-1') })
  const { metadata, spec } = speakerLease('node-1', {}, now) as { metadata: object; spec: object }
  const leases = '/apis/coordination.k8s.io/v1/namespaces/berth-system/leases'
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const advertisements = '/apis/berth.dev/v1beta1/namespaces/berth-system/l2advertisements'
  const api = { apiVersion: 'berth.dev/v1beta1', kind: 'L2Advertisement' }
  await transport.request({
    method: 'POST',
    path: advertisements,
    body: { ...api, metadata: { name: 'all' }, spec: {} },
  })
  const endpoints = [{ addresses: ['10.1.0.1'], nodeName: 'node-1', conditions: { ready: true } }]
  const labels = { 'kubernetes.io/service-name': 'web' }
  const slice = { metadata: { name: 'web-1', labels }, addressType: 'IPv4', endpoints, ports: [{ port: 80 }] }
  await transport.request({ method: 'POST', path: slices, body: slice })
  // The server gives objects their own uid.
  const body = { metadata: { ...metadata, uid: undefined }, spec: { ...spec, leaseDurationSeconds: 5 } }
  await transport.request({ method: 'POST', path: leases, body })

  const alive = await berth('explain', 'service', 'web')
  expect(alive.out).toMatch(/Address {2}192\.0\.2\.\d from pool public/)
  expect(alive.out).toMatch(/vip +no +is only for namespaces bank, not for "default"/)
  expect(alive.out).toContain('node node-1 is to announce it and has not said so yet')
  const gone = await until(async () => {
    const { out } = await berth('explain', 'service', 'default/web')
    return out.includes('its speaker does not renew its Lease') ? out : undefined
  }, 'the Lease is over')
  expect(gone).toContain('→ Is node-1 up')
})

test('explain says of a Service that waits what its condition says', async () => {
  const condition = (await cluster.get('late')).conditions.find(({ type }) => type === 'berth.dev/Allocated')
  const { out } = await berth('explain', 'svc', 'default/late')
  expect(out.replace(/\s+/g, ' ')).toContain(condition?.message ?? 'no condition')
})

test('json and yaml are what programs can read', async () => {
  const { out } = await berth('pools', '-o', 'json')
  expect(JSON.parse(out)).toMatchObject([
    { name: 'public', ready: true, usage: [{ family: 'IPv4', size: 2, inUse: 2 }] },
    { name: 'vip', usage: [{ family: 'IPv4', size: 256, inUse: 0 }] },
  ])
  expect((await berth('pools', '-o', 'yaml')).out).toContain('- name: public\n  ready: true\n')
  expect((await berth('peers')).out).toContain('There is no BGP session')
})

test('what cannot be answered is refused with what to do', async () => {
  const missing = await berth('explain', 'service', 'shop/nothing')
  expect(missing).toMatchObject({ code: 1, out: '' })
  expect(missing.err).toContain('There is no Service shop/nothing')
  const elsewhere = await berth('status', '-n', 'metallb-system')
  expect(elsewhere.err).toContain('There is no namespace metallb-system')
  const context = await berth('status', '--context', 'production')
  expect(context.err).toMatch(/has no context "production"; it has: \S+/)
  const nobody = await berth('status', '--kubeconfig', await controlPlane.kubeconfig('nobody', { groups: [] }))
  expect(nobody).toMatchObject({ code: 1, out: '' })
  expect(nobody.err).toContain('You may not read what this command needs')
  const away = await berth(
    'status',
    '--kubeconfig',
    await controlPlane.kubeconfig('admin', { server: 'https://127.0.0.1:1' }),
  )
  expect(away.err).toContain('No answer from the cluster at https://127.0.0.1:1/')
  expect((await berth('status', '-o', 'xml')).err).toContain('Allowed choices are json, yaml, wide')
})

test('validate needs no cluster and ends with 1 where anything is wrong', async () => {
  const manifests = join(import.meta.dirname, '../test/cli/manifests')
  const nowhere = ['--namespace', 'berth-system']
  expect(await berth('validate', '-f', join(manifests, 'good'), ...nowhere)).toMatchObject({ code: 0, err: '' })
  const bad = await berth('validate', '-f', join(manifests, 'good'), join(manifests, 'bad'))
  expect(bad.code).toBe(1)
  expect(bad.out).toContain('bad/pools.yaml:')
  expect((await berth('validate', '-f', join(manifests, 'none'))).err).toContain('no such file')
})

test('a cluster without the kinds is told from one without rights', async () => {
  await controlPlane.kubectl(['delete', 'crd', 'bgppeers.berth.dev', '--wait=true'])
  const { err } = await until(async () => {
    const said = await berth('status')
    return said.code === 1 ? said : undefined
  }, 'the kind is gone')
  expect(err).toContain('its CRDs are not: helm show crds')
})
