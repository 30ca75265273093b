/** The flags of each program; its files lie in `directory`. */

export const serviceClusterIPRange = '10.96.0.0/12,fd00:10:96::/108'

/** Where the API server asks for its way to kubelets, in its folder: it may be in another network than they. */
export const kubeletSocket = 'to-kubelets.sock'

/** The file that says so. */
export function egressConfig(directory: string): string {
  return JSON.stringify({
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [
      {
        name: 'cluster',
        connection: {
          proxyProtocol: 'HTTPConnect',
          transport: { uds: { udsName: `${directory}/${kubeletSocket}` } },
        },
      },
    ],
  })
}

export function etcdFlags(directory: string): string[] {
  const socket = `unix://${directory}/etcd.sock`
  return [
    `--data-dir=${directory}/etcd`,
    `--listen-client-urls=${socket}`,
    // Asked for in this form, and told to nobody.
    '--advertise-client-urls=http://localhost:2379',
    `--listen-peer-urls=unix://${directory}/etcd-peer.sock`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]
}

export function apiServerFlags(
  directory: string,
  port: number,
  addresses: readonly string[],
  kubelets: boolean,
): string[] {
  const everywhere = addresses.some(address => address.includes(':')) ? '::' : '0.0.0.0'
  return [
    `--etcd-servers=unix://${directory}/etcd.sock`,
    `--secure-port=${port}`,
    `--bind-address=${addresses.length > 0 ? everywhere : '127.0.0.1'}`,
    `--advertise-address=${addresses.find(address => !address.includes(':')) ?? '127.0.0.1'}`,
    '--endpoint-reconciler-type=none',
    `--cert-dir=${directory}`,
    `--tls-cert-file=${directory}/apiserver.crt`,
    `--tls-private-key-file=${directory}/apiserver.key`,
    `--client-ca-file=${directory}/ca.crt`,
    `--requestheader-client-ca-file=${directory}/front-proxy-ca.crt`,
    '--requestheader-allowed-names=front-proxy',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${directory}/service-account.pub`,
    `--service-account-signing-key-file=${directory}/service-account.key`,
    `--service-cluster-ip-range=${serviceClusterIPRange}`,
    ...(kubelets
      ? [
          '--authorization-mode=Node,RBAC',
          '--enable-admission-plugins=NodeRestriction',
          `--egress-selector-config-file=${directory}/egress.json`,
          `--kubelet-client-certificate=${directory}/kubelet-client.crt`,
          `--kubelet-client-key=${directory}/kubelet-client.key`,
          '--kubelet-preferred-address-types=InternalIP',
          // Minutes by default; a test that loses a node does not wait so long.
          '--default-not-ready-toleration-seconds=5',
          '--default-unreachable-toleration-seconds=5',
        ]
      : [
          '--authorization-mode=RBAC',
          // Pods come without a kubelet, so nobody would make the accounts that this plugin waits for.
          '--disable-admission-plugins=ServiceAccount',
        ]),
    '--allow-privileged',
    '--profiling=false',
  ]
}

export function controllerManagerFlags(directory: string, kubeconfig: string, kubelets: boolean): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${directory}/service-account.key`,
    `--root-ca-file=${directory}/ca.crt`,
    `--flex-volume-plugin-dir=${directory}/flex`,
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
    ...(kubelets
      ? ['--node-monitor-period=1s', '--node-monitor-grace-period=8s']
      : // No kubelet sends heartbeats here: it would declare every node lost.
        ['--controllers=*,-node-lifecycle-controller']),
  ]
}
