import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createSession } from '../../controller/session.ts'
import { loadCredentials } from '../../kube/credentials.ts'
import { electLeader } from '../../kube/leader-election.ts'
import { type ApiRequest, createTransport, type Transport } from '../../kube/transport.ts'
import { watchRights } from '../../speaker/test-rights.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { snippet } from '../docs/snippets.ts'
import { chart, type Helm, openHelm } from './helm.ts'
import { type Rule, rightsOf } from './rights.ts'

/*
 * The chart on a real API server; there are no kubelets, so no pod ever runs, and helm waits for none.
 */

let controlPlane: ControlPlane
let helm: Helm
const soon = { timeout: 20_000, interval: 50 }
const namespace = 'berth-system'
const pool = [
  '--set',
  'configuration.pools[0].name=public',
  '--set',
  'configuration.pools[0].spec.addresses={192.0.2.0/28}',
]
const advertisement = ['--set', 'configuration.l2Advertisements[0].name=public']

beforeAll(async () => {
  controlPlane = await startControlPlane({ crds: false })
  helm = await openHelm(await controlPlane.kubeconfig())
})
afterAll(async () => {
  await helm?.[Symbol.asyncDispose]()
  await controlPlane?.stop()
})

async function get(resource: string, path: string, where = namespace): Promise<string> {
  return await controlPlane.kubectl(['get', resource, '-n', where, '-o', `jsonpath=${path}`])
}

async function install(...args: readonly string[]): Promise<string> {
  return await helm(
    'upgrade',
    '--install',
    'berth',
    chart,
    '-n',
    namespace,
    '--create-namespace',
    '--wait=hookOnly',
    ...args,
  )
}

describe('one after the other', () => {
  let key: string

  test('the command of docs/install.md installs everything, pools included', async () => {
    const values = join(controlPlane.directory, 'values.yaml')
    await writeFile(values, snippet('install.md', 'values'))
    const words = snippet('install.md', 'install').trim().split(' ').slice(1)
    const places: Readonly<Record<string, string>> = { 'charts/berth': chart, 'values.yaml': values }
    const notes = await helm(...words.map(word => places[word] ?? word))
    expect(notes).toContain('is installed in the namespace berth-system')
    expect(notes).not.toContain('Helm does not update')
    expect(notes).not.toContain('No Service gets an address yet')
    expect(await get('ipaddresspool/public', '{.spec.addresses[0]}')).toBe('192.0.2.100-192.0.2.199')
    expect(await get('l2advertisement', '{.items[*].metadata.name}')).toBe('public')
    expect(await get('deployment/berth-controller', '{.spec.replicas}')).toBe('2')
    expect(await get('daemonset/berth-speaker', '{.spec.template.spec.hostNetwork}')).toBe('true')
    key = await get('secret/berth-speaker-key', '{.data.key}')
    expect(Buffer.from(key, 'base64')).toHaveLength(48)
  })

  test('the values for BGP make a peer and an advertisement that the API server takes', async () => {
    const values = join(controlPlane.directory, 'bgp-values.yaml')
    await writeFile(values, snippet('install.md', 'bgp-values'))
    await install('--values', values)
    expect(await get('bgppeer,bgpadvertisement', '{.items[*].metadata.name}')).toBe('router public')
  })

  test('Pod Security takes the controller as restricted, and the speaker only as the document says', async () => {
    const labelled = async (level: string): Promise<void> => {
      const words = snippet('install.md', 'pod-security').trim().split(' ').slice(1)
      const label = words.map(word => word.replace('enforce=privileged', `enforce=${level}`))
      await controlPlane.kubectl([...label, '--overwrite'])
    }
    const admit = async (workload: string): Promise<string> => {
      const { metadata, spec } = JSON.parse(await get(workload, '{.spec.template}')) as Record<string, object>
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'one', namespace }, spec }
      return await controlPlane.kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) })
    }
    await labelled('restricted')
    expect(await admit('deployment/berth-controller')).toContain('pod/one created')
    await labelled('baseline')
    await expect(admit('daemonset/berth-speaker')).rejects.toThrow('host namespaces')
    await labelled('privileged')
    expect(await admit('daemonset/berth-speaker')).toContain('pod/one created')
  })

  test('an upgrade keeps the key and what was taken out of the values, and changes what was changed', async () => {
    await install('--set', 'logLevel=debug')
    expect(await get('secret/berth-speaker-key', '{.data.key}')).toBe(key)
    expect(await get('ipaddresspool/public', '{.metadata.name}')).toBe('public')
    expect(await get('daemonset/berth-speaker', '{.spec.template.spec.containers[0].args}')).toContain(
      '--log-level=debug',
    )
  })

  test('an upgrade brings CRDs up to date that an older chart has left', async () => {
    const path = '{.spec.names.shortNames}'
    const older = await mkdtemp(join(tmpdir(), 'berth-older-chart-'))
    try {
      await cp(chart, older, { recursive: true })
      const file = join(older, 'crds/communities.yaml')
      await writeFile(file, (await readFile(file, 'utf8')).replace('[lbcommunity]', '[older]'))
      await helm('upgrade', 'berth', older, '-n', namespace, '--wait=hookOnly')
      expect(await get('crd/communities.berth.dev', path)).toBe('["older"]')
    } finally {
      await rm(older, { recursive: true })
    }
    await install()
    expect(await get('crd/communities.berth.dev', path)).toBe('["lbcommunity"]')
  })

  test('an uninstall leaves CRDs, pools and the key, and nothing else; another install takes them over', async () => {
    await install(...pool, ...advertisement)
    await helm(...snippet('install.md', 'uninstall').trim().split(' ').slice(1))
    const kinds =
      'deployments,daemonsets,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,serviceaccounts'
    const left = await controlPlane.kubectl([
      'get',
      kinds,
      '-A',
      '-l',
      'app.kubernetes.io/instance=berth',
      '-o',
      'name',
    ])
    expect(left).toBe('')
    expect(await get('ipaddresspool/public', '{.spec.addresses[0]}')).toBe('192.0.2.0/28')
    expect(await get('secret/berth-speaker-key', '{.data.key}')).toBe(key)
    await install(...pool, ...advertisement)
    expect(await get('secret/berth-speaker-key', '{.data.key}')).toBe(key)
  })

  test('with keep: false what was given in values goes with the release', async () => {
    await install(...pool, ...advertisement, '--set', 'configuration.keep=false')
    await helm('uninstall', 'berth', '-n', namespace)
    expect(await get('ipaddresspools', '{.items[*].metadata.name}')).toBe('')
    expect(await get('crd/ipaddresspools.berth.dev', '{.metadata.name}')).toBe('ipaddresspools.berth.dev')
  })

  test('a release of another name leaves the CRDs alone and says so', async () => {
    // An attempt before may have ended in the middle.
    await helm('uninstall', 'edge', '-n', 'edge', '--ignore-not-found')
    await removeCrds()
    await install()
    await helm('uninstall', 'berth', '-n', namespace)
    const notes = await helm('install', 'edge', chart, '-n', 'edge', '--create-namespace', '--wait=hookOnly')
    expect(notes).toContain('Helm does not update these CustomResourceDefinitions')
    expect(notes).toContain('bgppeers.berth.dev')
    const [label, annotate] = Array.from(
      notes.matchAll(/^ {2}kubectl ((?:label|annotate) crd .+)$/gm),
      found => found[1],
    )
    for (const command of [label, annotate]) await controlPlane.kubectl((command ?? 'nothing').split(' '))
    expect(await helm('upgrade', 'edge', chart, '-n', 'edge', '--wait=hookOnly')).not.toContain('Helm does not update')
    await helm('uninstall', 'edge', '-n', 'edge')
    const owner = '{.metadata.annotations.meta\\.helm\\.sh/release-name}'
    expect(await get('crd/bgppeers.berth.dev', owner)).toBe('edge')
    const again = await helm('install', 'edge', chart, '-n', 'edge', '--wait=hookOnly', '--skip-crds')
    expect(again).not.toContain('Helm does not update')
    expect(await get('crd/bgppeers.berth.dev', owner)).toBe('edge')
    await helm('uninstall', 'edge', '-n', 'edge')
    await removeCrds()
  })
})

async function removeCrds(): Promise<void> {
  const ours = ['crd', '-l', 'app.kubernetes.io/part-of=berth']
  await controlPlane.kubectl(['delete', ...ours, '--wait=false'])
  const why = '{.metadata.name}: {.status.conditions[?(@.type=="Terminating")].message}'
  const left = async () =>
    await controlPlane.kubectl(['get', ...ours, '-o', `jsonpath={range .items[*]}${why}{"\\n"}{end}`])
  await vi.waitFor(async () => expect(await left()).toBe(''), { timeout: 60_000, interval: 100 })
}

/** All that the controller's roles grant, as they stand in the cluster. */
async function grantedToController(): Promise<readonly string[]> {
  const rules = await Promise.all(
    ['clusterrole', 'role'].map(
      async kind => JSON.parse(await get(`${kind}/berth-controller`, '{.rules}')) as readonly Rule[],
    ),
  )
  return rightsOf(rules.flat())
}

/** A term of the controller, as the service account of its pod, until it is stopped. */
function lead(transport: Transport): { stop(): Promise<void> } {
  const log = pino({ level: 'silent' })
  const [serving, electing] = [new AbortController(), new AbortController()]
  let term = Promise.resolve()
  const election = electLeader({
    transport,
    namespace,
    name: 'berth-controller',
    identity: 'one',
    leaseDurationMs: 2_000,
    renewPeriodMs: 300,
    onChange(leading) {
      if (leading) term = session.run(serving.signal)
    },
    log,
  })
  const isLeader = (): boolean => election.isLeader
  const session = createSession({ transport, namespace, loadBalancerClass: undefined, instance: 'one', isLeader, log })
  const running = election.run(electing.signal)
  return {
    async stop() {
      serving.abort()
      await term
      electing.abort()
      await running
    },
  }
}

test('the rights of the controller are enough for all that it does, and it uses each', async () => {
  const router = { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1' }
  const configuration = {
    pools: [{ name: 'public', spec: { addresses: ['192.0.2.0/32'] } }],
    l2Advertisements: [{ name: 'all' }],
    bgpAdvertisements: [{ name: 'all' }],
    bgpPeers: [{ name: 'router', spec: router }],
    bfdProfiles: [{ name: 'usual' }],
    communities: [{ name: 'ours', spec: { communities: [{ name: 'blackhole', value: '65535:666' }] } }],
  }
  await install('--set-json', `configuration=${JSON.stringify(configuration)}`)
  const user = `system:serviceaccount:${namespace}:berth-controller`
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  const inner = createTransport(await loadCredentials(await controlPlane.kubeconfig(user, { groups })))
  // Somebody changes the Service just before it is written, once, so that it must be read again.
  let raced = false
  const refused: string[] = []
  const race = async ({ method, path }: ApiRequest): Promise<void> => {
    if (raced || method !== 'PATCH' || !path.endsWith('/services/web/status')) return
    raced = true
    await controlPlane.kubectl(['annotate', 'service', 'web', 'somebody=was-here'])
  }
  const transport = watchRights(noting(inner, refused), race)
  const controller = lead(transport)
  try {
    const port = ['--tcp=80:80']
    await controlPlane.kubectl(['create', 'service', 'loadbalancer', 'web', ...port])
    const address = () => get('service/web', '{.status.loadBalancer.ingress[0].ip}', 'default')
    await vi.waitFor(async () => expect(await address()).toBe('192.0.2.0'), soon)
    // The same is told twice, which makes a series of the Event.
    for (const type of ['ClusterIP', 'LoadBalancer']) {
      await controlPlane.kubectl(['patch', 'service', 'web', '-p', JSON.stringify({ spec: { type } })])
      await vi.waitFor(async () => expect(await address()).toBe(type === 'ClusterIP' ? '' : '192.0.2.0'), soon)
    }
    const granted = await grantedToController()
    expect(granted.length).toBeGreaterThan(25)
    await vi.waitFor(() => expect([...transport.used].toSorted()).toEqual(granted.toSorted()), soon)
    const kinds = ['ipaddresspool', 'l2advertisement', 'bgpadvertisement', 'bgppeer', 'bfdprofile', 'community']
    for (const kind of kinds) expect(await get(kind, '{.items[0].status.conditions[0].type}')).toBe('Ready')
  } finally {
    await controller.stop()
    inner.close()
  }
  expect(await get('lease/berth-controller', '{.spec.holderIdentity}')).toBe('')
  expect(refused).toEqual([])
})

/** The transport, with what it was forbidden noted. */
function noting(inner: Transport, refused: string[]): Transport {
  const note = (what: string, error: unknown): void => {
    if (String(error).includes('orbidden')) refused.push(`${what}: ${String(error)}`)
  }
  return {
    async request(request) {
      try {
        return await inner.request(request)
      } catch (error) {
        note(`${request.method} ${request.path}`, error)
        throw error
      }
    },
    async *watch(path, query, signal, onOpen) {
      try {
        yield* inner.watch(path, query, signal, onOpen)
      } catch (error) {
        note(`WATCH ${path}`, error)
        throw error
      }
    },
    close: () => inner.close(),
    get openSockets() {
      return inner.openSockets
    },
  }
}
