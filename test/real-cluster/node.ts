import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { LabNode } from '../lab/node.ts'
import { pauseImage } from './runtime.ts'

/** What all nodes of a cluster are started with. */
export interface NodePrograms {
  readonly kubelet: string
  /** The folder of the container runtime. */
  readonly runtime: string
  /** Archives that every node has before it begins, since there is no registry. */
  readonly images: readonly string[]
}

export interface NodePlace {
  /** Its configuration, its logs, and those of its pods (`pods/NAMESPACE_POD_UID/CONTAINER/*.log`). */
  readonly folder: string
  /** Control groups of its own. */
  readonly groups: readonly string[]
  /** Of the user system:node:NAME. */
  readonly kubeconfig: string
  /** Of those who may ask the kubelet for logs and the like. */
  readonly clientCaFile: string
}

/** Starts containerd and kubelet on a machine of the lab; the node registers itself some seconds later. */
export async function startNode(node: LabNode, programs: NodePrograms, place: NodePlace): Promise<void> {
  const { folder, groups, kubeconfig, clientCaFile } = place
  await mkdir(join(folder, 'cni'), { recursive: true })
  await mkdir(join(folder, 'pods'), { recursive: true })
  const files = {
    'containerd.toml': containerdConfig(programs.runtime, folder),
    'kubelet.yaml': stringify(kubeletConfig(folder, clientCaFile)),
    'cni/10-bridge.conflist': JSON.stringify(cniConfig(node.ordinal)),
    'resolv.conf': '',
  }
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text)
  const enter = 'for group in $GROUPS; do echo 0 >"$group/cgroup.procs"; done; exec "$@"'
  const own = ['--mount', '--pid', '--fork', '--uts', '--ipc', '--cgroup', '--mount-proc', '--kill-child']
  const init = ['unshare', ...own, '--propagation', 'slave', 'sh', join(import.meta.dirname, 'node.sh')]
  const child = node.spawn(['sh', '-c', enter, 'enter', ...init], {
    cwd: '/',
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      NODE: node.name,
      FILES: folder,
      GROUPS: groups.join(' '),
      RUNTIME: programs.runtime,
      KUBELET: programs.kubelet,
      IMAGES: programs.images.join(' '),
      ADDRESSES: `${node.ipv4},${node.ipv6}`,
      KUBECONFIG: kubeconfig,
    },
  })
  await once(child, 'spawn')
}

function kubeletConfig(folder: string, clientCaFile: string): object {
  const nothing = '0%'
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    authentication: { x509: { clientCAFile: clientCaFile } },
    podLogsDir: join(folder, 'pods'),
    resolvConf: join(folder, 'resolv.conf'),
    clusterDomain: 'cluster.local',
    nodeStatusUpdateFrequency: '2s',
    nodeLeaseDurationSeconds: 4,
    // The machine's disk is not the node's.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': nothing,
      'nodefs.available': nothing,
      'nodefs.inodesFree': nothing,
      'imagefs.available': nothing,
      'imagefs.inodesFree': nothing,
    },
  }
}

/** Pods on a bridge of the node, with addresses of both families; the lab has routed them from node to node. */
function cniConfig(ordinal: number): object {
  const ranges = [[{ subnet: `10.244.${ordinal}.0/24` }], [{ subnet: `fd00:10:244:${ordinal}::/64` }]]
  const ipam = { type: 'host-local', dataDir: '/run/cni', ranges, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] }
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam }
  return { cniVersion: '1.0.0', name: 'pods', plugins: [bridge] }
}

/** For version 1.6. Without CAP_SYS_RESOURCE, which a root of less may lack, nothing may lower its OOM score. */
function containerdConfig(runtime: string, folder: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[${cri}]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [${cri}.cni]
    bin_dir = "${runtime}/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [${cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [${cri}.containerd.runtimes.runc.options]
      BinaryName = "${runtime}/usr/sbin/runc"
`
}
