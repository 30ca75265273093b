import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed, vi } from 'vitest'
import { checkNames, type Finding } from '../../cli/doctor/finding.ts'
import { version } from '../../program/version.ts'
import { parseFacts } from '../../speaker/layer2/facts.ts'
import { type Helm, openHelm } from '../charts/helm.ts'
import type { Lab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { startRequests, urlOf, whoHas } from '../lab/probe.ts'
import { longestGapMs, startWatch } from '../lab/watch.ts'
import {
  addressesOfWeb,
  deployWeb,
  describeKubeProxy,
  documented,
  exposeWeb,
  firstAnswer,
  forwardPort,
  installBerth,
  packageChart,
  uninstallBerth,
} from './admin.ts'
import { startCluster, whyNoCluster } from './cluster.ts'
import { buildArchive, imageName, imageNameOf } from './image.ts'
import { type BerthPlugin, installPlugin } from './plugin.ts'

/*
 * What an admin does with Berth, from the first command to the last, on three real nodes: their kubelets start the pods of
 * the chart from the image, with the rights that the chart gives them and no others.
 */

const obstacle = await whyNoCluster(console.warn)
if (obstacle !== undefined) console.warn(`Skipped, no real cluster on this machine: ${obstacle}`)

const patience = { timeout: 60_000, interval: 100 } as const
const namespace = 'berth-system'
/** The one that is installed is followed by the one that it is upgraded to. */
const nextVersion = version.replace(/\d+$/, last => `${Number(last) + 1}`)
/** Three missing packets, 100 ms apart, and the segment's word are half a second; the rest is room for a busy machine. */
const detectionBoundMs = 3_000
/** Who resolves an address asks again after a second. */
const unansweredBoundMs = 1_000

describe.skipIf(obstacle !== undefined)('Berth on a real cluster', () => {
  let cluster: Lab
  let helm: Helm
  let berth: BerthPlugin
  let kept: readonly string[]
  /** The node that has lost power. */
  let lost: LabNode | undefined
  const times: string[] = []

  beforeAll(async () => {
    const images = [await buildArchive(console.warn), await buildArchive(console.warn, nextVersion)]
    cluster = await timed('three nodes Ready', () => startCluster({ nodes: 3, images, progress: console.warn }))
    const kubeconfig = await cluster.controlPlane.kubeconfig()
    helm = await openHelm(kubeconfig)
    berth = await installPlugin(kubeconfig)
    await deployWeb(cluster)
    await describeKubeProxy(cluster)
  })
  afterAll(async () => {
    if (times.length > 0) console.warn(`Berth on a real cluster:\n${times.join('\n')}`)
    await berth?.[Symbol.asyncDispose]()
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
    await timed('helm install until all pods are Ready', () => installBerth(cluster, helm))
    const { items } = JSON.parse(await kubectl('get', 'pods', '-n', namespace, '-o', 'json')) as {
      items: readonly Pod[]
    }
    expect(items).toHaveLength(5)
    for (const { status } of items)
      expect(status.containerStatuses).toMatchObject([{ ready: true, restartCount: 0, image: imageName }])
    for (const component of ['speaker', 'controller'])
      for (const pod of await podsOf(component)) expect(await versionOf(pod)).toBe(version)
  })

  it('tells in the Lease of each speaker how the kernel of its node is set', async () => {
    const facts = 'jsonpath={.metadata.annotations.berth\\.dev/speaker-facts}'
    for (const { name } of cluster.nodes) {
      const text = await kubectl('get', 'lease', `speaker-${name}`, '-n', namespace, '-o', facts)
      const eth0 = parseFacts(text)?.interfaces.find(one => one.name === 'eth0')
      expect(eth0).toMatchObject({ mtu: 1500, rpFilter: expect.any(Number) })
    }
  })

  it('gives a Service that is exposed its address, and answers for it by ARP', async () => {
    const exposedMs = Date.now()
    await exposeWeb(cluster)
    const [address = ''] = await addressesOfWeb(cluster, 1)
    note('kubectl expose until the Service has its address', Date.now() - exposedMs)
    note('kubectl expose until a client is answered', (await firstAnswer(cluster, address)) - exposedMs)
    expect(address).toMatch(/^192\.0\.2\.1\d\d$/)
    await ownerOf(address)
  })

  it('adds an IPv6 address where one is asked for, and answers for it by NDP', async () => {
    const spec = { ipFamilyPolicy: 'RequireDualStack', externalTrafficPolicy: 'Local' }
    await kubectl('patch', 'service', 'web', '--patch', JSON.stringify({ spec }))
    const [, address = ''] = await addressesOfWeb(cluster, 2)
    expect(address).toMatch(/^2001:db8:0:2::1/)
    await firstAnswer(cluster, address)
    await ownerOf(address)
  })

  it('is told of by kubectl berth: what Services have, who announces them, and why', async () => {
    const [ipv4 = '', ipv6 = ''] = await addressesOfWeb(cluster, 2)
    const owner = await ownerOf(ipv4)
    const status = await berth('status', '--exit-code')
    expect(status).toMatchObject({ code: 0, err: '' })
    expect(status.out).toMatch(/^Controller +alive, berth-controller-\S+ leads/m)
    expect(status.out).toContain('Speakers  3 of 3 nodes')
    expect(status.out).toMatch(new RegExp(`^ +${owner.name} +alive +\\S+ +1 +eth0`, 'm'))
    expect(status.out).toContain('Services  1, 1 with an address, 1 announced')
    const pools = await berth('pools')
    expect(pools.out).toMatch(/^public +IPv4 .* 1 of 100 +99 +True$/m)
    expect(pools.out).toMatch(/^public +IPv6 .* 1 of 256 +255 +True$/m)
    expect(await berth('peers')).toMatchObject({ code: 0, out: expect.stringContaining('There is no BGP session') })
    const { out } = await berth('explain', 'service', 'web')
    expect(out).toContain('externalTrafficPolicy Local, 3 usable endpoints on 3 nodes')
    expect(out).toContain(`${ipv4}, ${ipv6} from pool public`)
    expect(out).toContain(`node ${owner.name} announces ${ipv4}, ${ipv6} on eth0`)
    const [, heir] = /If that node were lost, (\S+) would take it\./.exec(out) ?? []
    expect(cluster.nodes.map(({ name }) => name).filter(name => name !== owner.name)).toContain(heir)
  })

  it('is found well by kubectl berth doctor, wherever there is a way to look', async () => {
    const findings = await examined()
    expect(findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')).toEqual([])
    expect(findings.filter(({ verdict }) => verdict === 'unknown').map(({ check }) => check)).toEqual(['MTU'])
    const well = new Map(findings.filter(({ verdict }) => verdict === 'ok').map(({ check, what }) => [check, what]))
    expect(well.get('SpeakersHearEachOther')).toContain('3 speakers asked')
    expect(well.get('ProgramVersions')).toContain(version)
    expect(well.get('KubeProxyMode')).toContain('nftables')
    expect([...well.keys()]).toEqual(checkNames)
  })

  it('is upgraded to another version under traffic, speaker after speaker, without one lost request', async () => {
    const addresses = await addressesOfWeb(cluster, 2)
    const before = await podsOf('speaker')
    // Made once more when it is reset: a connection that is open in the moment of a move comes to a node that does not know it.
    const options = { timeoutMs: 5000, askAgain: true }
    const all = addresses.map(address => startRequests(cluster.client, urlOf(address), options))
    await Promise.all(all.map(requests => requests.answered(25)))
    // A client remembers who has the address, which would hide that nobody answers for it: so somebody asks all the time.
    const watch = await startWatch(cluster.client, addresses)
    const fromMs = Date.now()
    const next = await packageChart(cluster, helm, nextVersion)
    await timed('helm upgrade that replaces all pods', () => installBerth(cluster, helm, next))
    await Promise.all(all.map(requests => requests.answered(25)))
    const untilMs = Date.now()
    for (const { address, answers } of await watch.stop()) {
      const momentsMs = answers.map(([atMs]) => atMs)
      const gapMs = longestGapMs(momentsMs, fromMs, untilMs)
      times.push(
        `    ${address}: asked for all the time, at most ${Math.round(gapMs)} ms without an answer by ARP or NDP`,
      )
      expect(gapMs).toBeLessThan(unansweredBoundMs)
    }
    for (const [index, requests] of all.entries()) {
      const { problems, sent, askedAgain } = await requests.stop()
      times.push(`    ${addresses[index]}: ${sent} requests, none lost, ${askedAgain} made once more`)
      expect(problems).toEqual({})
    }
    const after = await podsOf('speaker')
    expect(after).toHaveLength(3)
    for (const pod of after) expect(before).not.toContain(pod)
    expect(await addressesOfWeb(cluster, 2)).toEqual(addresses)
    for (const pod of [...after, ...(await podsOf('controller'))]) expect(await versionOf(pod)).toBe(nextVersion)
    const findings = (await examined()).filter(({ check }) => check === 'ProgramVersions')
    expect(findings).toMatchObject([
      { verdict: 'warn', what: expect.stringContaining(`berth-speaker is ${nextVersion}`) },
    ])
  })

  it('is looked into and restarted by the commands of docs/operations.md and docs/troubleshooting.md', async () => {
    const addresses = await addressesOfWeb(cluster, 2)
    const logs = documented('docs/troubleshooting.md', 'logs')
    expect(logs).toHaveLength(2)
    for (const words of logs) {
      const lines = (await kubectl(...words)).trim().split('\n')
      for (const line of lines) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) })
    }
    const before = [...(await podsOf('speaker')), ...(await podsOf('controller'))]
    for (const words of documented('docs/operations.md', 'rollout restart')) await kubectl(...words)
    for (const words of documented('docs/operations.md', 'rollout status')) await kubectl(...words)
    await kubectl('rollout', 'status', '-n', namespace, 'deployment/berth-controller', '--timeout=60s')
    // A pod that ends is still there for a moment.
    await vi.waitFor(async () => {
      const after = [...(await podsOf('speaker')), ...(await podsOf('controller'))]
      expect(after).toHaveLength(5)
      expect(after.filter(pod => before.includes(pod))).toEqual([])
    }, patience)
    for (const address of addresses) await firstAnswer(cluster, address)
    expect(await addressesOfWeb(cluster, 2)).toEqual(addresses)
  })

  it('shows its status page by the command of docs/status-page.md, from any replica', async () => {
    const [words = []] = documented('docs/status-page.md', 'port-forward')
    await using forwarded = await forwardPort(cluster, words)
    const document = await fetch(`${forwarded.url}/`)
    expect(document.headers.get('content-security-policy')).toContain("default-src 'none'")
    const pools = await vi.waitFor(async () => {
      const answer = await fetch(`${forwarded.url}/api/views/pools`)
      expect(answer.status).toBe(200)
      return await answer.json()
    }, patience)
    expect(pools).toMatchObject([{ name: 'public', usage: [{ inUse: '1' }, { inUse: '1' }] }])
  })

  it('leaves behind what the document says when it is uninstalled, and nobody answers any more', async () => {
    const addresses = await addressesOfWeb(cluster, 2)
    await uninstallBerth(helm)
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
    const addresses = await addressesOfWeb(cluster, 2)
    await installBerth(cluster, helm)
    for (const address of addresses) await firstAnswer(cluster, address)
    expect(await addressesOfWeb(cluster, 2)).toEqual(addresses)
  })

  it('answers again from another node when one loses power', async () => {
    const addresses = await addressesOfWeb(cluster, 2)
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
    lost = owner
    await vi.waitFor(async () => {
      const { code, out } = await berth('status', '--exit-code')
      expect(code).toBe(1)
      expect(out).toMatch(new RegExp(`^ +${owner.name} +gone `, 'm'))
    }, patience)
  })

  it('forgets a node that is deleted, with the Lease of its speaker', async () => {
    const leases = async (): Promise<string> => await kubectl('get', 'leases', '-n', namespace, '-o', 'name')
    expect(await leases()).toContain(`speaker-${lost?.name}`)
    await kubectl('delete', 'node', lost?.name ?? '')
    await vi.waitFor(async () => expect(await leases()).not.toContain(`speaker-${lost?.name}`), patience)
    for (const node of cluster.nodes.filter(node => node !== lost))
      expect(await leases()).toContain(`speaker-${node.name}`)
  })

  async function podsOf(component: string): Promise<readonly string[]> {
    const selector = `app.kubernetes.io/component=${component}`
    return (await kubectl('get', 'pods', '-n', namespace, '-l', selector, '-o', 'name')).trim().split('\n')
  }

  /** What `kubectl berth doctor` finds. */
  async function examined(): Promise<readonly Finding[]> {
    return JSON.parse((await berth('doctor', '-o', 'json')).out) as readonly Finding[]
  }

  /** What the program in a pod says that it is, if it says it of the image that the chart of that version asks for. */
  async function versionOf(pod: string): Promise<string | undefined> {
    const lines = (await kubectl('logs', '-n', namespace, pod)).trim().split('\n')
    const said = lines.map(line => (JSON.parse(line) as { readonly version?: string }).version).find(one => one)
    const image = 'jsonpath={.spec.containers[0].image}'
    expect(await kubectl('get', '-n', namespace, pod, '-o', image)).toBe(imageNameOf(said ?? ''))
    return said
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
