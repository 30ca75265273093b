import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type Cluster, openCluster } from '../../controller/test-cluster.ts'
import { runBerth, type Said } from '../../test/cli/berth.ts'
import { node, speakerLease } from '../../test/cli/world.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane/control-plane.ts'
import type { Finding } from './finding.ts'

/* The doctor as a program, against the real API server: of what ails the cluster the objects are written by hand. */

let controlPlane: ControlPlane
let cluster: Cluster

beforeAll(async () => {
  controlPlane = await startControlPlane()
  cluster = await openCluster(controlPlane)
  const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
  await cluster.transport.request({ method: 'POST', path: '/api/v1/nodes', body: node('node-1', excluded) })
  await cluster.pool('public', { addresses: ['10.96.0.0/24', '192.0.2.0/24'] })
})

afterAll(async () => {
  cluster?.transport.close()
  await controlPlane?.stop()
})

const doctor = async (...args: readonly string[]): Promise<Said> =>
  runBerth(await controlPlane.kubeconfig(), ['doctor', ...args])

async function findings(user?: string): Promise<ReadonlyMap<string, readonly Finding[]>> {
  const kubeconfig =
    user === undefined ? await controlPlane.kubeconfig() : await controlPlane.kubeconfig(user, { groups: [] })
  const { out, err } = await runBerth(kubeconfig, ['doctor', '-o', 'json'])
  expect(err).toBe('')
  return Map.groupBy(JSON.parse(out) as Finding[], ({ check }) => check)
}

const apply = (...objects: readonly object[]): Promise<string> =>
  controlPlane.kubectl(['apply', '-f', '-'], { input: objects.map(object => JSON.stringify(object)).join('\n---\n') })

function daemonSet(namespace: string, name: string, labels: object, container: object): object {
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'c', image: 'x', ...container }] },
  }
  const spec = { selector: { matchLabels: { app: name } }, template }
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name, namespace, labels }, spec }
}

test('what is there is well, and what is not is told with what to do', async () => {
  const { out, err, code } = await doctor()
  expect({ err, code }).toEqual({ err: '', code: 2 })
  expect(out).toMatch(
    /Controller\n +No controller leads: no Service gets an address\.\n +→ kubectl -n berth-system get pods/,
  )
  expect(out).toMatch(/CRDs\n +All 9 kinds of Berth are installed, with every field that this version knows\./)
  expect(out).toContain('The API server is v1.36.3.')
  expect(out.replace(/\s+/g, ' ')).toContain('10.96.0.0/12, the cluster IPs of Services')
  expect(out).toContain('kubectl label node --all node.kubernetes.io/exclude-from-external-load-balancers-')
  expect(out.replace(/\s+/g, ' ')).toMatch(
    /not checked: the mode of kube-proxy: [^→]*configmaps "kube-proxy" not found/,
  )
  expect(out).not.toContain('\u001b')
})

test('whoever has the chart’s role for readers may ask everything but the speakers', async () => {
  const chart = readFileSync(join(import.meta.dirname, '../../test/charts/golden/default.yaml'), 'utf8')
  const documents = parseAllDocuments(chart).map(
    document => document.toJS() as { readonly metadata?: { readonly name: string } },
  )
  const role = documents.find(({ metadata }) => metadata?.name === 'berth-reader')
  const subject = { kind: 'User', name: 'reader', apiGroup: 'rbac.authorization.k8s.io' }
  await apply(
    { ...role },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'berth-reader' },
      subjects: [subject],
    },
  )
  const kubeconfig = await controlPlane.kubeconfig('reader', { groups: [] })
  for (const command of [
    ['status'],
    ['pools'],
    ['peers'],
    ['explain', 'service', 'kubernetes'],
    ['preview', '--delete', 'ipaddresspool/public'],
  ]) {
    expect({ command, ...(await runBerth(kubeconfig, command)) }).toMatchObject({ command, code: 0, err: '' })
  }
  const refused = [...(await findings('reader')).values()]
    .flat()
    .filter(({ what }) => what.includes('you may not read it'))
  expect(refused).toEqual([])
})

test('a kubeconfig of kube-proxy says nothing of its mode', async () => {
  await apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-proxy', namespace: 'kube-system' },
    data: { 'kubeconfig.conf': 'apiVersion: v1\nkind: Config\n' },
  })
  const found = await findings()
  for (const check of ['KubeProxyMode', 'StrictARP']) expect(found.get(check)).toMatchObject([{ verdict: 'unknown' }])
})

test('kube-proxy in IPVS mode, first without strictARP and then with it', async () => {
  const configMap = (strictARP: boolean): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-proxy', namespace: 'kube-system' },
    data: { 'config.conf': `kind: KubeProxyConfiguration\nmode: ipvs\nipvs:\n  strictARP: ${strictARP}\n` },
  })
  await apply(configMap(false), {
    apiVersion: 'berth.dev/v1beta1',
    kind: 'L2Advertisement',
    metadata: { name: 'all', namespace: 'berth-system' },
    spec: {},
  })
  const before = await findings()
  expect(before.get('StrictARP')).toMatchObject([{ verdict: 'fail' }])
  expect(before.get('KubeProxyMode')).toMatchObject([{ verdict: 'warn' }])
  await apply(configMap(true))
  expect((await findings()).get('StrictARP')).toMatchObject([{ verdict: 'ok' }])
})

test('another load balancer, and a DaemonSet that cannot do what it must', async () => {
  const labels = {
    'app.kubernetes.io/name': 'berth',
    'app.kubernetes.io/component': 'speaker',
    'app.kubernetes.io/version': '0.0.9',
  }
  await apply(
    daemonSet('kube-system', 'svclb-traefik-1a2b', { 'svccontroller.k3s.cattle.io/svcname': 'traefik' }, {}),
    daemonSet('berth-system', 'berth-speaker', labels, { securityContext: { capabilities: { drop: ['ALL'] } } }),
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'berth-system', labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } },
    },
  )
  // Its controller is nowhere, so nobody says on how many nodes it is to run.
  await controlPlane.kubectl([
    'patch',
    'daemonset',
    'svclb-traefik-1a2b',
    '-n',
    'kube-system',
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({
      status: { desiredNumberScheduled: 1, currentNumberScheduled: 1, numberReady: 1, numberMisscheduled: 0 },
    }),
  ])
  const found = await findings()
  expect(found.get('OtherLoadBalancers')).toMatchObject([
    { verdict: 'fail', what: expect.stringContaining('k3s servicelb') },
  ])
  expect(
    found
      .get('SpeakerRights')
      ?.map(({ what }) => what)
      .join(),
  ).toMatch(/NET_RAW.*hostNetwork/)
  expect(found.get('PodSecurity')).toMatchObject([{ verdict: 'fail' }])
  expect(found.get('ProgramVersions')).toMatchObject([{ verdict: 'warn', what: expect.stringContaining('0.0.9') }])
})

test('a clock that is ahead, by what the API server noted of a Lease', async () => {
  const { metadata, spec } = speakerLease(
    'node-1',
    {},
    `${new Date(Date.now() + 90_000).toISOString().slice(0, -1)}000Z`,
  ) as {
    metadata: object
    spec: object
  }
  const path = '/apis/coordination.k8s.io/v1/namespaces/berth-system/leases'
  await cluster.transport.request({ method: 'POST', path, body: { metadata: { ...metadata, uid: undefined }, spec } })
  expect((await findings()).get('Clocks')).toMatchObject([
    { verdict: 'warn', what: expect.stringMatching(/node-1 is (89|90|91)s ahead/) },
  ])
})

test('kinds of an older version', async () => {
  const lacking = [{ op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/vrf' }]
  await controlPlane.kubectl(['patch', 'crd', 'bgppeers.berth.dev', '--type=json', '-p', JSON.stringify(lacking)])
  expect((await findings()).get('CRDs')).toMatchObject([
    { verdict: 'fail', what: expect.stringContaining('BGPPeer spec.vrf would be dropped silently') },
  ])
})
