import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed, vi } from 'vitest'
import { stringify } from 'yaml'
import { chart, type Helm, openHelm } from '../charts/helm.ts'
import { snippet } from '../docs/snippets.ts'
import type { Lab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { keepForgetting, startRequests, urlOf, whoHas } from '../lab/probe.ts'
import { startCluster, whyNoCluster } from './cluster.ts'
import { buildArchive, imageName } from './image.ts'

/*
 * What an admin does with Berth, from the first command to the last, on three real nodes: their kubelets start the pods of
 * the chart from the image, with the rights that the chart gives them and no others.
 */

const obstacle = await whyNoCluster(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no real cluster on this machine: ${obstacle}`)

const patience = { timeout: 60_000, interval: 100 } as const
const namespace = 'berth-system'
/** Three missing packets, 100 ms apart, and the segment's word are half a second; the rest is room for a busy machine. */
const detectionBoundMs = 3_000

describe.skipIf(obstacle !== undefined)('Berth on a real cluster', () => {
  let cluster: Lab
  let helm: Helm
  let kept: readonly string[]
  const times: string[] = []

  beforeAll(async () => {
    const image = await buildArchive(console.warn)
    cluster = await timed('three nodes Ready', () =>
      startCluster({ nodes: 3, images: [image], progress: console.warn }),
    )
    helm = await openHelm(await cluster.controlPlane.kubeconfig())
    await writeFile(join(cluster.directory, 'values.yaml'), snippet('install.md', 'values'))
    await writeFile(
      join(cluster.directory, 'both-families.yaml'),
      stringify({ configuration: { pools: [bothFamilies] } }),
    )
    await deployWeb()
  })
  afterAll(async () => {
    if (times.length > 0) console.warn(`Berth on a real cluster:\n${times.join('\n')}`)
    await helm?.[Symbol.asyncDispose]()
    await cluster?.stop()
  })
  beforeEach(() => onTestFailed(tellOnFailure))

  async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
    const startedMs = performance.now()
    const result = await run()
    note(what, performance.now() - startedMs)
    return result
  }
  const note = (what: string, ms: number): void => void times.push(`  ${what}: ${(ms / 1000).toFixed(2)} s`)
  const kubectl = async (...args: readonly string[]): Promise<string> => await cluster.controlPlane.kubectl(args)

  /** The command of docs/install.md, word for word, with a pool of both families instead. */
  async function install(...more: readonly string[]): Promise<void> {
    const words = snippet('install.md', 'install').trim().split(' ').slice(1)
    const places: Readonly<Record<string, string>> = {
      'charts/berth': chart,
      'values.yaml': join(cluster.directory, 'values.yaml'),
    }
    const both = ['--values', join(cluster.directory, 'both-families.yaml')]
    await helm(...words.map(word => places[word] ?? word), ...both, '--wait', '--timeout=120s', ...more)
  }

  /** A web server that says on which node it is, on each node: Node alone, which the image brings along. */
  async function deployWeb(): Promise<void> {
    await cluster.controlPlane.kubectl(['apply', '-f', '-'], {
      input: JSON.stringify(webDeployment(cluster.nodes.length)),
    })
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
  }

  async function addressesOf(count: number): Promise<readonly string[]> {
    return await vi.waitFor(async () => {
      const text = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[*].ip}')
      const addresses = text.split(' ').filter(Boolean)
      expect(addresses).toHaveLength(count)
      return addresses
    }, patience)
  }

  /** The one node that answers for the address. */
  async function ownerOf(address: string, not?: LabNode): Promise<LabNode> {
    return await vi.waitFor(async () => {
      const [mac, ...others] = await whoHas(cluster.client, address)
      const owner = cluster.nodes.find(node => node.mac === mac)
      if (owner === undefined || owner === not || others.length > 0)
        throw new Error(`${address} is held by ${[mac, ...others].join(', ')}`)
      return owner
    }, patience)
  }

  /** Asks until there are answers, and says when the first one came. */
  async function firstAnswer(address: string): Promise<number> {
    const requests = startRequests(cluster.client, urlOf(address), { timeoutMs: 500 })
    await requests.answered(25)
    await requests.stop()
    return requests.done.find(({ node }) => node !== undefined)?.doneAtMs ?? Number.NaN
  }

  async function tellOnFailure(): Promise<void> {
    console.warn(await kubectl('get', 'pods,services,events', '-A', '-o', 'wide').catch(String))
    for (const node of cluster.nodes) {
      const pods = join(cluster.directory, node.name, 'pods')
      for (const file of await readdir(pods, { recursive: true })) {
        if (!file.startsWith(namespace) || !file.endsWith('.log')) continue
        console.warn(`${node.name} ${file}\n${(await readFile(join(pods, file), 'utf8')).slice(-4_000)}`)
      }
    }
  }

  it('is installed by the command of the document, and every pod becomes ready at its first try', async () => {
    kept = await everything()
    await timed('helm install until all pods are Ready', () => install())
    const { items } = JSON.parse(await kubectl('get', 'pods', '-n', namespace, '-o', 'json')) as {
      items: readonly Pod[]
    }
    expect(items).toHaveLength(5)
    for (const { status } of items)
      expect(status.containerStatuses).toMatchObject([{ ready: true, restartCount: 0, image: imageName }])
  })

  it('gives a Service that is exposed its address, and answers for it by ARP', async () => {
    const exposedMs = Date.now()
    await kubectl(...snippet('install.md', 'expose').trim().split(' ').slice(1))
    const [address = ''] = await addressesOf(1)
    note('kubectl expose until the Service has its address', Date.now() - exposedMs)
    note('kubectl expose until a client is answered', (await firstAnswer(address)) - exposedMs)
    expect(address).toMatch(/^192\.0\.2\.1\d\d$/)
    await ownerOf(address)
  })

  it('adds an IPv6 address where one is asked for, and answers for it by NDP', async () => {
    const spec = { ipFamilyPolicy: 'RequireDualStack', externalTrafficPolicy: 'Local' }
    await kubectl('patch', 'service', 'web', '--patch', JSON.stringify({ spec }))
    const [, address = ''] = await addressesOf(2)
    expect(address).toMatch(/^2001:db8:0:2::1/)
    await firstAnswer(address)
    await ownerOf(address)
  })

  it('is upgraded under traffic, speaker after speaker, without one lost request', async () => {
    const addresses = await addressesOf(2)
    const before = await podsOf('speaker')
    // Each request resolves the address anew: what the client remembers would hide that nobody answers for it.
    const remember = keepForgetting(cluster.client)
    // Made once more when it is reset: a connection that is open in the moment of a move comes to a node that does not know it.
    const options = { timeoutMs: 5000, askAgain: true }
    const all = addresses.map(address => startRequests(cluster.client, urlOf(address), options))
    await Promise.all(all.map(requests => requests.answered(25)))
    await timed('helm upgrade that replaces all pods', () => install('--set', 'logLevel=debug'))
    await Promise.all(all.map(requests => requests.answered(25)))
    for (const requests of all) {
      const { problems, sent, longestSilenceMs } = await requests.stop()
      times.push(`    ${sent} requests meanwhile, longest time between two answers ${Math.round(longestSilenceMs)} ms`)
      expect(problems).toEqual({})
    }
    await remember()
    const after = await podsOf('speaker')
    expect(after).toHaveLength(3)
    for (const pod of after) expect(before).not.toContain(pod)
    expect(await addressesOf(2)).toEqual(addresses)
  })

  it('leaves behind what the document says when it is uninstalled, and nobody answers any more', async () => {
    const addresses = await addressesOf(2)
    await helm(...snippet('install.md', 'uninstall').trim().split(' ').slice(1), '--wait')
    for (const address of addresses)
      await vi.waitFor(async () => expect(await whoHas(cluster.client, address)).toEqual([]), patience)
    for (const node of cluster.nodes) {
      const text = await node.namespace.run(['ip', 'address'])
      for (const address of addresses) expect(text).not.toContain(`${address}/`)
    }
    await vi.waitFor(async () => {
      const left = new Set(await everything())
      for (const object of kept) left.delete(object)
      expect([...left].filter(object => !mayStay(object))).toEqual([])
    }, patience)
  })

  it('takes up every Service at its address when it is installed again', async () => {
    const addresses = await addressesOf(2)
    await install()
    for (const address of addresses) await firstAnswer(address)
    expect(await addressesOf(2)).toEqual(addresses)
  })

  it('answers again from another node when one loses power', async () => {
    const addresses = await addressesOf(2)
    const owner = await ownerOf(addresses[0] ?? '')
    const all = addresses.map(address => startRequests(cluster.client, urlOf(address), { timeoutMs: 500 }))
    await Promise.all(all.map(requests => requests.answered(25)))
    await owner.powerOff()
    await Promise.all(all.map(requests => requests.answered(25)))
    for (const [index, requests] of all.entries()) {
      const { longestSilenceMs } = await requests.stop()
      note(`a node loses power: longest time between two answers of ${addresses[index]}`, longestSilenceMs)
      expect(longestSilenceMs).toBeLessThan(detectionBoundMs)
    }
    for (const address of addresses) await ownerOf(address, owner)
  })

  async function podsOf(component: string): Promise<readonly string[]> {
    const selector = `app.kubernetes.io/component=${component}`
    return (await kubectl('get', 'pods', '-n', namespace, '-l', selector, '-o', 'name')).trim().split('\n')
  }

  /** All objects of the cluster, as KIND NAMESPACE/NAME, but those that come and go by themselves. */
  async function everything(): Promise<readonly string[]> {
    const kinds = (await kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n')
    const lasting = kinds.filter(kind => !/^(events|endpoints|componentstatuses)(\.|$)/.test(kind))
    const columns = 'custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name'
    const text = await kubectl('get', lasting.join(','), '-A', '--no-headers', '-o', columns)
    return text
      .trim()
      .split('\n')
      .map(line => line.trim().replace(/^(\S+)\s+(\S+)\s+(.+)$/, '$1 $2/$3'))
  }
})

interface Pod {
  readonly status: { readonly containerStatuses: readonly object[] }
}

/** The table of docs/install.md, and what Kubernetes itself puts into a namespace and makes of a CRD. */
function mayStay(object: string): boolean {
  return [
    /^CustomResourceDefinition <none>\/\w+\.berth\.dev$/,
    /^APIService <none>\/v1beta1\.berth\.dev$/,
    /^(IPAddressPool|L2Advertisement) berth-system\/public$/,
    /^Secret berth-system\/berth-speaker-key$/,
    /^Lease berth-system\//,
    /^Service(L2|BGP)Status default\//,
    /^Namespace <none>\/berth-system$/,
    /^(ServiceAccount berth-system\/default|ConfigMap berth-system\/kube-root-ca\.crt)$/,
    // Of the workload, which is not Berth's.
    /^(Service|EndpointSlice) default\/web/,
    /^IPAddress <none>\//,
  ].some(pattern => pattern.test(object))
}

const bothFamilies = {
  name: 'public',
  spec: { addresses: ['192.0.2.100-192.0.2.199', '2001:db8:0:2::100-2001:db8:0:2::1ff'] },
}

function webDeployment(replicas: number): object {
  const answer = '`${process.env.NODE_NAME} says hello to ${request.socket.remoteAddress}\\n`'
  const script = `require('node:http').createServer((request, response) => response.end(${answer})).listen(8080)`
  const labels = { app: 'web' }
  const container = {
    name: 'web',
    image: imageName,
    args: ['-e', script],
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  }
  const onEachNode = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: labels },
  }
  const pod = { terminationGracePeriodSeconds: 1, topologySpreadConstraints: [onEachNode], containers: [container] }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } },
  }
}
