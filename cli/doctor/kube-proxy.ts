import type { Facts } from './facts.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'

const askANode =
  'On a node: curl -s localhost:10249/proxyMode; in IPVS mode also: sysctl net.ipv4.conf.all.arp_ignore (1 or 2 is right)'

/** What does the forwarding on the nodes, and whether it answers ARP in place of the speakers. */
export function checkKubeProxy({ kubeProxy, nodes, picture }: Facts): readonly Finding[] {
  if (!kubeProxy.known) {
    const isK3s = nodes.some(({ kubeletVersion }) => kubeletVersion.includes('+k3s'))
    const why = isK3s ? 'k3s runs kube-proxy in its own process, in iptables mode unless told otherwise' : kubeProxy.why
    return [
      unknown('KubeProxyMode', `the mode of kube-proxy: ${why}`, askANode),
      unknown('StrictARP', `whether kube-proxy keeps its hands off ARP: ${why}`, askANode),
    ]
  }
  const { mode, strictARP, from } = kubeProxy.value
  if (mode !== 'ipvs') {
    const name = mode === '' ? 'its default mode' : `${mode} mode`
    return [
      ok('KubeProxyMode', `kube-proxy runs in ${name} (${from}).`),
      ok('StrictARP', 'Only in IPVS mode does kube-proxy put addresses of Services on an interface.'),
    ]
  }
  const deprecated = warn(
    'KubeProxyMode',
    `kube-proxy runs in IPVS mode (${from}), which Kubernetes has deprecated since 1.35 and is going to remove.`,
    'Change to nftables mode: mode: nftables in its configuration, then restart its pods one node at a time.',
  )
  if (strictARP) return [deprecated, ok('StrictARP', `strictARP is true (${from}).`)]
  const what = `kube-proxy runs in IPVS mode without strictARP (${from}): the kernel of every node answers ARP for every Service's address, beside the speaker that has it.`
  const todo = [
    `Set ipvs.strictARP: true there: kubectl -n kube-system edit configmap kube-proxy`,
    'Restart it: kubectl -n kube-system rollout restart daemonset kube-proxy',
  ]
  const announces = picture.snapshot.resolved.config.layer2Advertisements.length > 0
  return [deprecated, announces ? fail('StrictARP', what, ...todo) : warn('StrictARP', what, ...todo)]
}
