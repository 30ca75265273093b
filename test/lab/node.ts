import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import type { ExecOptions, Executed, Namespace } from './namespace.ts'
import { batch, type Cable, type Segment, sysctl } from './segment.ts'

/** A machine on the segment. */
export interface LabHost {
  readonly name: string
  readonly namespace: Namespace
  /** Its interface on the segment. */
  readonly interface: string
  readonly mac: string
  readonly ipv4: string
  readonly ipv6: string
  /** Runs a program to its end there. */
  readonly exec: (argv: readonly string[], options?: ExecOptions) => Promise<Executed>
  /** Starts a program there; it ends with the lab at the latest. */
  readonly spawn: (argv: readonly string[], options?: SpawnOptions) => ChildProcess
}

/** A node of the cluster. */
export interface LabNode extends LabHost {
  /** Its number, from 1; part of its pods' addresses. */
  readonly ordinal: number
  readonly managementAddress: string
  /** Pulls its cable to the segment; `silent` lets the carrier stay, as a switch that drops everything. */
  readonly cutSegment: Cable['cut']
  readonly healSegment: Cable['heal']
  readonly cutManagement: Cable['cut']
  readonly healManagement: Cable['heal']
  /** Both cables dead and every process on it gone, at once. */
  powerOff(): Promise<void>
  /** Cables back and kube-proxy running; what else ran there is not started again. */
  powerOn(): Promise<void>
}

/** How kube-proxy is started on every node. */
export interface KubeProxy {
  readonly program: string
  readonly kubeconfig: string
  readonly mode: 'nftables' | 'iptables'
  /** Where each writes its log, `kube-proxy-NODE.log`. */
  readonly logDirectory: string
}

/** The networks that a node is plugged into. */
export interface Networks {
  readonly segment: Segment
  readonly management: Segment
}

/** The machine that uses the Services: on the segment only. */
export async function createClient(namespace: Namespace, segment: Segment): Promise<LabHost> {
  const client = hostOf(namespace, 'client', 10)
  await plugIn(client, segment)
  return client
}

/** Makes the machine and plugs it in; no Node object yet, no kube-proxy, no routes to other nodes' pods. */
export async function createNode(
  namespace: Namespace,
  name: string,
  ordinal: number,
  networks: Networks,
  kubeProxy: KubeProxy,
): Promise<LabNode> {
  const number = 10 + ordinal
  const host = hostOf(namespace, name, number)
  const segment = await plugIn(host, networks.segment)
  const management = await networks.management.attach(namespace, {
    port: name,
    interface: 'eth1',
    mac: `00:00:5e:00:53:${(0xa0 + ordinal).toString(16)}`,
    addresses: [`198.51.100.${number}/24`, `2001:db8:0:100::${number}/64`],
  })
  await sysctl(namespace, { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })
  const node: LabNode = {
    ...host,
    ordinal,
    managementAddress: `198.51.100.${number}`,
    cutSegment: segment.cut,
    healSegment: segment.heal,
    cutManagement: management.cut,
    healManagement: management.heal,
    async powerOff() {
      // In this order: without power no speaker tells the others that its cable is gone, and no kernel that a connection is.
      namespace.freezeAll()
      await Promise.all([segment.cut(), management.cut()])
      await namespace.killAll()
    },
    async powerOn() {
      await Promise.all([segment.heal(), management.heal()])
      startKubeProxy(node, kubeProxy)
    },
  }
  return node
}

/** Starts kube-proxy on a node; it writes its rules some hundred milliseconds later. */
export function startKubeProxy(node: LabNode, { program, kubeconfig, mode, logDirectory }: KubeProxy): void {
  const log = openSync(`${logDirectory}/kube-proxy-${node.name}.log`, 'a')
  const flags = [
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${node.name}`,
    `--proxy-mode=${mode}`,
    '--cluster-cidr=10.244.0.0/16,fd00:10:244::/48',
    // 0 = leave conntrack's settings as they are: they are the machine's, not the namespace's.
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
    '--iptables-min-sync-period=0s',
  ]
  node.spawn([program, ...flags], { stdio: ['ignore', log, log] })
  closeSync(log)
}

/** Lets the pods of two nodes reach each other, over the management network. */
export async function routePods(one: LabNode, other: LabNode): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    await batch(from.namespace, [
      `route add 10.244.${to.ordinal}.0/24 via ${to.managementAddress}`,
      `route add fd00:10:244:${to.ordinal}::/64 via 2001:db8:0:100::${10 + to.ordinal}`,
    ])
  }
}

/** A Node as a healthy kubelet would report it. Nothing takes it back: the control plane's node lifecycle controller is off. */
export async function registerNode(controlPlane: ControlPlane, node: LabNode): Promise<void> {
  const metadata = { name: node.name, labels: { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux' } }
  const identity = { apiVersion: 'v1', kind: 'Node', metadata }
  await controlPlane.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(identity) })
  const status = {
    addresses: [
      { type: 'InternalIP', address: node.ipv4 },
      { type: 'InternalIP', address: node.ipv6 },
      { type: 'Hostname', address: node.name },
    ],
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'The lab started this node' }],
  }
  const patch = JSON.stringify({ status })
  await controlPlane.kubectl(['patch', 'node', node.name, '--subresource=status', '--type=merge', '-p', patch])
}

function hostOf(namespace: Namespace, name: string, number: number): LabHost {
  return {
    name,
    namespace,
    interface: 'eth0',
    mac: `00:00:5e:00:53:${String(number).padStart(2, '0')}`,
    ipv4: `192.0.2.${number}`,
    ipv6: `2001:db8:0:2::${number}`,
    exec: namespace.exec,
    spawn: namespace.spawn,
  }
}

async function plugIn(host: LabHost, segment: Segment): Promise<Cable> {
  return await segment.attach(host.namespace, {
    port: host.name,
    interface: host.interface,
    mac: host.mac,
    addresses: [`${host.ipv4}/24`, `${host.ipv6}/64`],
  })
}
