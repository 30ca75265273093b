import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { chart, type Helm } from '../charts/helm.ts'
import { binary } from '../control-plane/binaries.ts'
import { commandsOf } from '../docs/commands.ts'
import { snippet } from '../docs/snippets.ts'
import { until } from '../interop/until.ts'
import type { Lab } from '../lab/lab.ts'
import { startRequests, urlOf } from '../lab/probe.ts'
import { imageName } from './image.ts'

/** What an admin and a team do on a cluster, by the commands of docs/install.md. */

const patienceMs = 60_000

const bothFamilies = {
  name: 'public',
  spec: { addresses: ['192.0.2.100-192.0.2.199', '2001:db8:0:2::100-2001:db8:0:2::1ff'] },
}

/** Installs the chart, or upgrades to another one, and waits until all pods are Ready: the command word for word, with a pool of both families. */
export async function installBerth(cluster: Lab, helm: Helm, from: string = chart): Promise<void> {
  const [values, both] = ['values.yaml', 'both-families.yaml'].map(file => join(cluster.directory, file))
  await writeFile(values ?? '', snippet('install.md', 'values'))
  await writeFile(both ?? '', stringify({ configuration: { pools: [bothFamilies] } }))
  const places: Readonly<Record<string, string>> = { 'charts/berth': from, 'values.yaml': values ?? '' }
  const words = wordsOf('install').map(word => places[word] ?? word)
  await helm(...words, '--values', both ?? '', '--wait', '--timeout=120s')
}

/** Packages the chart as the one of another version of Berth; the path of the package. */
export async function packageChart({ directory }: Lab, helm: Helm, version: string): Promise<string> {
  await helm('package', chart, '--version', version, '--app-version', version, '--destination', directory)
  return join(directory, `berth-${version}.tgz`)
}

export async function uninstallBerth(helm: Helm): Promise<void> {
  await helm(...wordsOf('uninstall'), '--wait')
}

/** A web server on each node that says which one it is: Node alone, which the image brings along. */
export async function deployWeb({ controlPlane, nodes }: Lab): Promise<void> {
  await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(webDeployment(nodes.length)) })
  await controlPlane.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s'])
}

/** Writes down how kube-proxy runs on these nodes, where kubeadm does. */
export async function describeKubeProxy({ controlPlane }: Lab): Promise<void> {
  const data = { 'config.conf': 'kind: KubeProxyConfiguration\nmode: nftables\n' }
  const metadata = { name: 'kube-proxy', namespace: 'kube-system' }
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
  await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(configMap) })
}

/** Makes the Service web of that server. */
export async function exposeWeb({ controlPlane }: Lab): Promise<void> {
  await controlPlane.kubectl(wordsOf('expose'))
}

/** Waits until the Service web has so many addresses. */
export async function addressesOfWeb({ controlPlane }: Lab, count: number): Promise<readonly string[]> {
  const query = ['get', 'service', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[*].ip}']
  const ask = async () => (await controlPlane.kubectl(query)).split(' ').filter(Boolean)
  return await until(`${count} addresses of web`, ask, addresses => addresses.length === count, patienceMs)
}

/** Lets the client ask until it is answered again and again; when the first answer came, in milliseconds since the epoch. */
export async function firstAnswer({ client }: Lab, address: string): Promise<number> {
  const requests = startRequests(client, urlOf(address), { timeoutMs: 500 })
  await requests.answered(25)
  await requests.stop()
  return requests.done.find(({ node }) => node !== undefined)?.doneAtMs ?? Number.NaN
}

/** The commands of kubectl in a page that do this, without their program. Fails where there is none. */
export function documented(page: string, what: string): readonly (readonly string[])[] {
  const found = commandsOf(page)
    .filter(({ words, text }) => words[0] === 'kubectl' && words.length > 2 && text.includes(` ${what} `))
    .map(({ words }) => words.slice(1))
  if (found.length === 0) throw new Error(`${page} has no command of kubectl that does ${what}`)
  return found
}

/** A port of a pod, out here. */
export interface ForwardedPort extends AsyncDisposable {
  readonly url: string
}

/** Runs `kubectl port-forward` as it is documented, but with a free port on this side. */
export async function forwardPort({ controlPlane }: Lab, words: readonly string[]): Promise<ForwardedPort> {
  const args = words.map(word => (/^\d+$/.test(word) ? `:${word}` : word))
  const env = { ...process.env, KUBECONFIG: await controlPlane.kubeconfig() }
  const child = spawn(await binary('kubectl'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said += String(chunk)))
  const look = () => Promise.resolve(/Forwarding from (127\.0\.0\.1:\d+) ->/.exec(said)?.[1])
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  try {
    const place = await until('kubectl forwards the port', look, place => place !== undefined, patienceMs)
    return { url: `http://${place}`, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw new Error(`kubectl ${args.join(' ')}: ${said}`, { cause: error })
  }
}

/** A command of the document without its program. */
function wordsOf(name: string): readonly string[] {
  return snippet('install.md', name).trim().split(' ').slice(1)
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
