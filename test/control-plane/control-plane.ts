import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, realpath, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { type BinaryName, binary } from './binaries.ts'
import { type Authority, issueCertificate } from './certificates.ts'
import { apiServerFlags, controllerManagerFlags, egressConfig, etcdFlags } from './flags.ts'
import { freePort } from './free-port.ts'
import { writeKeys } from './keys.ts'
import { formatKubeconfig, groupsOf } from './kubeconfig.ts'
import { createPrograms, type Programs } from './programs.ts'

/** A real etcd and kube-apiserver, on this machine only, that live as long as whoever started them. */
export interface ControlPlane extends AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly url: string
  /** Where everything of it lies: keys, data, `<program>.log`. Removed by `stop()`. */
  readonly directory: string
  readonly caFile: string
  /** The path of a kubeconfig by which one is `user`; any name will do at any time. `admin` may do everything. */
  kubeconfig(user?: string, options?: { server?: string; groups?: readonly string[] }): Promise<string>
  /** What kubectl printed; throws what it complained about. */
  kubectl(args: readonly string[], options?: { input?: string; user?: string }): Promise<string>
  /** Ends every process and removes the folder. */
  stop(): Promise<void>
}

export interface ControlPlaneOptions {
  /** Makes EndpointSlices of Pods, collects garbage, finishes the deletion of namespaces. */
  readonly controllerManager?: boolean
  readonly scheduler?: boolean
  /** Real kubelets join it: pods get accounts, nodes may do what is theirs, and who is silent for 8 s is lost. */
  readonly kubelets?: boolean
  /** More addresses to listen on, which the server's certificate names. */
  readonly addresses?: readonly string[]
  /** Berth's own kinds, from crds/; true unless said otherwise. */
  readonly crds?: boolean
  /** Aborted: the start is given up, or what has started is stopped. */
  readonly signal?: AbortSignal
  readonly progress?: (line: string) => void
}

const crdFolder = join(import.meta.dirname, '../../crds')

/** Starts one in some 3 s; the first time on a machine its programs are built, which takes minutes. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const { signal, progress, addresses = [], kubelets = false } = options
  const paths = await findBinaries(options)
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'berth-control-plane-')))
  const programs = createPrograms(directory)
  const start = (name: BinaryName, flags: readonly string[]): Promise<void> => programs.start(name, paths[name], flags)
  try {
    const authority = await writeKeys(directory, addresses)
    if (kubelets) await writeFile(join(directory, 'egress.json'), egressConfig(directory))
    const port = await freePort()
    const controlPlane = face(`https://127.0.0.1:${port}`, directory, authority, programs, paths.kubectl)
    signal?.addEventListener('abort', () => void controlPlane.stop(), { once: true })
    signal?.throwIfAborted()

    progress?.('Starting etcd and kube-apiserver')
    await start('etcd', etcdFlags(directory))
    await start('kube-apiserver', apiServerFlags(directory, port, addresses, kubelets))
    await becomeReady(controlPlane.url, authority, programs, signal)
    if (options.controllerManager) {
      const kubeconfig = await controlPlane.kubeconfig('system:kube-controller-manager')
      await start('kube-controller-manager', controllerManagerFlags(directory, kubeconfig, kubelets))
    }
    if (options.scheduler) {
      const kubeconfig = await controlPlane.kubeconfig('system:kube-scheduler')
      await start('kube-scheduler', [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'])
    }
    if (options.crds ?? true) await applyCrds(controlPlane)
    signal?.throwIfAborted()
    return controlPlane
  } catch (error) {
    await programs.stop()
    throw error
  }
}

type Binaries = Readonly<Record<BinaryName, string>>

async function findBinaries({
  controllerManager,
  scheduler,
  signal,
  progress,
}: ControlPlaneOptions): Promise<Binaries> {
  const names: BinaryName[] = ['etcd', 'kube-apiserver', 'kubectl']
  if (controllerManager) names.push('kube-controller-manager')
  if (scheduler) names.push('kube-scheduler')
  const paths: Partial<Record<BinaryName, string>> = {}
  for (const name of names) paths[name] = await binary(name, { progress, signal })
  return paths as Binaries
}

/** `/readyz`, and before it two things that it does not promise and that a client's first requests may need. */
async function becomeReady(url: string, ca: Authority, programs: Programs, signal?: AbortSignal): Promise<void> {
  const admin = issueCertificate(ca, { commonName: 'admin', organizations: groupsOf('admin') }, { kind: 'client' })
  const agent = new Agent({
    ca: ca.certificate,
    cert: admin.certificate,
    key: admin.key,
    keepAlive: true,
    maxSockets: 1,
  })
  const ask = async (path: string): Promise<string> => {
    const [response] = await once(get(`${url}${path}`, { agent, signal: AbortSignal.timeout(2000) }), 'response')
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`${path} answers ${response.statusCode}: ${body}`)
    return body
  }
  try {
    await programs.until('/readyz', () => ask('/readyz'), signal)
    await programs.until('the default namespace', () => ask('/api/v1/namespaces/default'), signal)
    const serviceAddresses = async (): Promise<void> => {
      const cidr = await ask('/apis/networking.k8s.io/v1/servicecidrs/kubernetes')
      if (!cidr.includes('"status":"True"')) throw new Error('its ServiceCIDR is not Ready')
    }
    await programs.until('a range of addresses for Services', serviceAddresses, signal)
  } finally {
    agent.destroy()
  }
}

function face(url: string, directory: string, authority: Authority, programs: Programs, kubectl: string): ControlPlane {
  const kubectlUsers = new Map<string, Promise<string>>()
  let written = 0
  const controlPlane: ControlPlane = {
    url,
    directory,
    caFile: join(directory, 'ca.crt'),
    kubeconfig: async (user = 'admin', { server = url, groups = groupsOf(user) } = {}) => {
      const certificate = issueCertificate(authority, { commonName: user, organizations: groups }, { kind: 'client' })
      const path = join(directory, `${user.replaceAll(/[^\w.-]/g, '-')}-${++written}.kubeconfig`)
      const text = formatKubeconfig({ server, ca: authority.certificate, user, client: certificate })
      await writeFile(path, text, { mode: 0o600 })
      return path
    },
    kubectl: async (args, { input, user = 'admin' } = {}) => {
      const kubeconfig = kubectlUsers.get(user) ?? controlPlane.kubeconfig(user)
      kubectlUsers.set(user, kubeconfig)
      const env = { ...process.env, KUBECONFIG: await kubeconfig, KUBECACHEDIR: join(directory, 'kubectl-cache') }
      const running = promisify(execFile)(kubectl, args, { env, maxBuffer: 256 * 1024 * 1024 })
      running.child.stdin?.end(input ?? '')
      try {
        return (await running).stdout
      } catch (error) {
        const said = (error as { stderr?: string }).stderr?.trim() || String(error)
        throw new Error(`kubectl ${args.join(' ')}: ${said}`, { cause: error })
      }
    },
    stop: () => programs.stop(),
    [Symbol.asyncDispose]: () => programs.stop(),
  }
  return controlPlane
}

async function applyCrds(controlPlane: ControlPlane): Promise<void> {
  const files = await readdir(crdFolder)
  if (!files.some(file => file.endsWith('.yaml'))) return
  await controlPlane.kubectl(['apply', '-f', crdFolder])
  await controlPlane.kubectl(['wait', '--for=condition=Established', '--timeout=30s', '-f', crdFolder])
}
