/** A cluster that the real MetalLB serves, installed as its manifest has it, with Services of all kinds. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport, type Transport } from '../../kube/transport.ts'
import { inParallel } from '../bench/api.ts'
import { metallbModule } from '../bench/contenders.ts'
import { binary } from '../control-plane/binaries.ts'
import { berthNamespace } from '../lab/berth.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type Kubelets, type ProgramOf, startKubelets } from '../lab/pods.ts'
import { type LabRouter, nodesAs, routerAs, startLabRouter } from '../lab/router.ts'
import type { SweepTarget } from '../lab/sweep.ts'

/** How a Service is announced, and so from where it is asked for. */
export interface ServiceCase {
  readonly name: string
  readonly by: 'layer2' | 'bgp'
  readonly object: object
  readonly ports: readonly { readonly port: number; readonly protocol: 'TCP' | 'UDP' }[]
  /** Nodes with endpoints. */
  readonly nodes: readonly string[]
  readonly families: readonly ('IPv4' | 'IPv6')[]
}

export interface MigrationScene extends AsyncDisposable {
  readonly lab: Lab
  readonly router: LabRouter
  readonly kubelets: Kubelets
  readonly cases: readonly ServiceCase[]
  /** Runs what stands in a page, line by line, as a reader would; answers with what was printed. */
  shell(commands: string): Promise<string>
  /** The addresses in the status of every Service, by name. */
  addresses(): Promise<Readonly<Record<string, readonly string[]>>>
  /** What clients on the segment, and behind the router, can ask for. */
  targets(by: ServiceCase['by']): Promise<readonly SweepTarget[]>
  list(path: string): Promise<readonly unknown[]>
}

const everywhere = ['node-1', 'node-2', 'node-3']
const tcp = [{ name: 'web', port: 80, protocol: 'TCP' }] as const
const root = join(import.meta.dirname, '../..')

interface CaseOptions {
  readonly families?: ServiceCase['families']
  readonly annotations?: Readonly<Record<string, string>>
  readonly spec?: object
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly protocol: 'TCP' | 'UDP' }[]
  readonly nodes?: readonly string[]
  readonly by?: ServiceCase['by']
}

function serviceCase(name: string, options: CaseOptions = {}): ServiceCase {
  const { families = ['IPv4'], annotations = {}, spec, ports = tcp, nodes = everywhere, by = 'layer2' } = options
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, annotations },
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ipFamilies: families,
      ports: ports.map(port => ({ ...port, targetPort: 8080 })),
      ...spec,
    },
  }
  return { name, by, object, ports, nodes, families }
}

/** Two hundred of all kinds. */
function cases(): readonly ServiceCase[] {
  const many = (count: number, make: (index: number) => ServiceCase): readonly ServiceCase[] =>
    Array.from({ length: count }, (_, index) => make(index))
  const local = { externalTrafficPolicy: 'Local' }
  const pool = (name: string): Readonly<Record<string, string>> => ({ 'metallb.io/address-pool': name })
  const udp = [{ name: 'dns', port: 53, protocol: 'UDP' }] as const
  return [
    ...many(46, index => serviceCase(`four-${index}`)),
    ...many(40, index => serviceCase(`six-${index}`, { families: ['IPv6'] })),
    ...many(38, index => serviceCase(`both-${index}`, { families: ['IPv4', 'IPv6'] })),
    ...many(20, index => {
      const annotations = { 'metallb.universe.tf/allow-shared-ip': `key-${index >> 1}` }
      return serviceCase(`shared-${index}`, {
        annotations,
        ports: [{ name: 'web', port: 80 + (index & 1), protocol: 'TCP' }],
      })
    }),
    ...many(8, index => {
      const annotations = { 'metallb.universe.tf/loadBalancerIPs': `192.0.2.${61 + index}` }
      return serviceCase(`asked-${index}`, { annotations })
    }),
    ...many(7, index => serviceCase(`named-${index}`, { spec: { loadBalancerIP: `192.0.2.${70 + index}` } })),
    ...many(5, index => serviceCase(`pool-${index}`, { annotations: pool('by-name') })),
    ...many(12, index => serviceCase(`local-${index}`, { spec: local, nodes: [everywhere[index % 3] ?? ''] })),
    ...many(14, index => serviceCase(`udp-${index}`, { ports: udp, families: [index % 2 === 0 ? 'IPv4' : 'IPv6'] })),
    ...many(7, index => serviceCase(`routed-${index}`, { annotations: pool('routed'), by: 'bgp' })),
    ...many(3, index => {
      return serviceCase(`routed-local-${index}`, {
        annotations: pool('routed'),
        by: 'bgp',
        spec: local,
        nodes: [everywhere[index % 3] ?? ''],
      })
    }),
  ]
}

const metallb = (kind: string, name: string, spec: object): object => ({
  apiVersion: `metallb.io/${kind === 'BGPPeer' ? 'v1beta2' : 'v1beta1'}`,
  kind,
  metadata: { name, namespace: 'metallb-system' },
  spec,
})

const configuration: readonly object[] = [
  metallb('IPAddressPool', 'segment', {
    addresses: ['192.0.2.100-192.0.2.249', '2001:db8:0:2::100-2001:db8:0:2::1ff'],
  }),
  metallb('IPAddressPool', 'by-name', { addresses: ['192.0.2.56/29'], autoAssign: false }),
  metallb('IPAddressPool', 'asked', { addresses: ['192.0.2.64-192.0.2.79'], autoAssign: false }),
  metallb('IPAddressPool', 'routed', { addresses: ['203.0.113.0/27'], autoAssign: false }),
  metallb('L2Advertisement', 'segment', { ipAddressPools: ['segment', 'by-name', 'asked'], interfaces: ['eth0'] }),
  metallb('BGPAdvertisement', 'routed', { ipAddressPools: ['routed'] }),
  metallb('BGPPeer', 'router', { myASN: nodesAs, peerASN: routerAs, peerAddress: '192.0.2.1' }),
]

export async function startMigrationScene(): Promise<MigrationScene> {
  const controlPlane = { crds: false, controllerManager: true, scheduler: true }
  const lab = await startLab({ nodes: 3, controlPlane, progress: console.warn })
  try {
    const router = await startLabRouter(lab)
    const transport = createTransport(await loadCredentials(await lab.controlPlane.kubeconfig()))
    lab.onStop(async () => {
      transport.close()
    })
    const kubelets = await startKubelets(lab, await programs(lab))
    lab.onStop(async () => {
      await kubelets[Symbol.asyncDispose]()
    })
    await installMetalLB(lab)
    const all = cases()
    await createServices(lab, transport, all)
    const environment = await shellEnvironment(lab)
    const list = async (path: string): Promise<readonly unknown[]> =>
      (await transport.request<{ items: readonly unknown[] }>({ method: 'GET', path })).items
    const scene: MigrationScene = {
      lab,
      router,
      kubelets,
      cases: all,
      list,
      async shell(commands) {
        const { stdout } = await promisify(execFile)('sh', ['-ec', commands], {
          cwd: environment['PWD'],
          env: environment,
          maxBuffer: 64 * 1024 * 1024,
        })
        return stdout
      },
      async addresses() {
        const services = (await list('/api/v1/namespaces/default/services')) as readonly WireService[]
        const names = new Set(all.map(({ name }) => name))
        return Object.fromEntries(
          services
            .filter(({ metadata }) => names.has(metadata.name))
            .map(({ metadata, status }) => [metadata.name, (status.loadBalancer?.ingress ?? []).map(({ ip }) => ip)]),
        )
      },
      async targets(by) {
        const addresses = await scene.addresses()
        return all
          .filter(one => one.by === by)
          .flatMap(({ name, ports }, index) =>
            (addresses[name] ?? []).flatMap(address =>
              ports.map(port => ({ address, ...port, held: port.protocol === 'TCP' && index % 10 === 0 })),
            ),
          )
      },
      [Symbol.asyncDispose]: () => lab.stop(),
    }
    return scene
  } catch (error) {
    await lab.stop()
    throw error
  }
}

interface WireService {
  readonly metadata: { readonly name: string }
  readonly status: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip: string }[] } }
}

/** As its manifest has it, but for the webhooks: nobody can reach a pod's address in a lab. */
async function installMetalLB(lab: Lab): Promise<void> {
  const manifest = await readFile(join(await metallbModule(), 'config/manifests/metallb-native.yaml'), 'utf8')
  const objects = parseAllDocuments(manifest)
    .map(document => document.toJS() as { kind: string })
    .filter(object => object?.kind !== undefined && object.kind !== 'ValidatingWebhookConfiguration')
  const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await lab.controlPlane.kubectl(['apply', '--server-side', '-f', '-'], { input: list(objects) })
  await lab.controlPlane.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: list(configuration) })
}

/** What the images of both would run, with what only a pod has: a service account, a mounted Secret. */
async function programs(lab: Lab): Promise<ProgramOf> {
  const kubeconfig = await lab.kubeconfig()
  const [controller, speaker] = [await binary('metallb-controller'), await binary('metallb-speaker')]
  const quiet = ['--port=0', '--health-probe-port=0']
  const key = join(lab.directory, 'speaker-key')
  return async (pod, node, environment) => {
    const [container] = pod.spec.containers
    if (!container) return undefined
    const { image, args = [] } = container
    const own = args
      .filter(arg => !/^--(port|metrics-port)=/.test(arg))
      .map(arg => arg.replace('$(NODE_NAME)', node.name))
    if (image.includes('metallb/controller')) {
      const flags = [`--namespace=${pod.metadata.namespace}`, '--webhook-mode=disabled', ...quiet]
      return { argv: [controller, ...own, ...flags], environment: { ...environment, KUBECONFIG: kubeconfig } }
    }
    if (image.includes('metallb/speaker')) {
      const more = { ...environment, KUBECONFIG: kubeconfig, METALLB_ML_SECRET_KEY_PATH: '' }
      return { argv: [speaker, ...own, `--namespace=${pod.metadata.namespace}`, ...quiet], environment: more }
    }
    const program = pod.metadata.name.startsWith('berth-controller') ? 'controller' : 'speaker'
    if (program === 'speaker') await mountKey(lab, key)
    const flags = own.map(arg => arg.replace('/etc/berth/speaker-key/key', key))
    const path = join(root, program, 'main.ts')
    return { argv: [process.execPath, path, ...flags, '--port=0', `--kubeconfig=${kubeconfig}`], environment: {} }
  }
}

async function mountKey(lab: Lab, file: string): Promise<void> {
  const jsonpath = 'jsonpath={.data.key}'
  const args = ['-n', berthNamespace, 'get', 'secret', 'berth-speaker-key', '-o', jsonpath]
  await writeFile(file, Buffer.from(await lab.controlPlane.kubectl(args), 'base64'), { mode: 0o600 })
}

/** A few pods serve all Services; who is behind which is written by hand. */
async function createServices(lab: Lab, transport: Transport, all: readonly ServiceCase[]): Promise<void> {
  const anchor = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'anchor' }, spec: { ports: [{ port: 80 }] } }
  await lab.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(anchor) })
  const endpoints = new Map<string, { readonly ipv4: string; readonly ipv6: string }>()
  for (const node of lab.nodes) endpoints.set(node.name, await lab.deployEndpoint('anchor', node, 8080))
  const services = '/api/v1/namespaces/default/services'
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  await inParallel(all.length, 16, async index => {
    const one = all[index]
    if (!one) return
    await transport.request({ method: 'POST', path: services, body: one.object })
    for (const family of one.families) {
      const body = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${one.name}-${family.toLowerCase()}`,
          labels: { 'kubernetes.io/service-name': one.name, 'endpointslice.kubernetes.io/managed-by': 'lab.berth.dev' },
        },
        addressType: family,
        ports: (one.object as { spec: { ports: readonly { name: string; protocol: string }[] } }).spec.ports.map(
          ({ name, protocol }) => ({ name, protocol, port: 8080 }),
        ),
        endpoints: one.nodes.map(nodeName => ({
          addresses: [endpoints.get(nodeName)?.[family === 'IPv4' ? 'ipv4' : 'ipv6'] ?? ''],
          conditions: { ready: true },
          nodeName,
        })),
      }
      await transport.request({ method: 'POST', path: slices, body })
    }
  })
}

/** kubectl with its plugin, and helm, as one has them on the PATH. */
async function shellEnvironment(lab: Lab): Promise<NodeJS.ProcessEnv> {
  const home = await mkdtemp(join(lab.directory, 'home-'))
  const bin = join(home, 'bin')
  await mkdir(bin)
  for (const name of ['kubectl', 'helm'] as const) await symlink(await binary(name), join(bin, name))
  await symlink(join(root, 'charts'), join(home, 'charts'))
  const plugin = join(bin, 'kubectl-berth')
  await writeFile(plugin, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'cli/main.ts')}' "$@"\n`)
  await chmod(plugin, 0o755)
  return {
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: home,
    PWD: home,
    KUBECONFIG: await lab.controlPlane.kubeconfig(),
  }
}
