import type { Facts, Workload } from './facts.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'

/** Another load balancer, and how it is known. */
interface Other {
  readonly name: string
  readonly matches: (workload: Workload) => boolean
  /** The class that it serves alone; undefined = Services without a class. */
  readonly classOf: (workload: Workload) => string | undefined
  readonly todo: readonly string[]
}

const others: readonly Other[] = [
  {
    name: 'MetalLB',
    matches: ({ images }) =>
      images.some(image => /metallb\/(controller|speaker)\b|metallb-(controller|speaker)\b/.test(image)),
    classOf: ({ args }) => flagOf(args, 'lb-class'),
    todo: [
      'Move over to Berth, every address staying: kubectl berth migrate from-metallb',
      'Or give one of the two a class: speaker and controller of MetalLB take --lb-class, Berth takes --load-balancer-class.',
    ],
  },
  {
    name: 'k3s servicelb',
    matches: ({ labels, name }) =>
      Object.hasOwn(labels, 'svccontroller.k3s.cattle.io/svcname') || name.startsWith('svclb-'),
    classOf: () => undefined,
    todo: ['Start the k3s servers with --disable=servicelb; its DaemonSets svclb-… go then.'],
  },
  {
    name: 'kube-vip',
    matches: ({ images, environment, args }) =>
      images.some(image => /kube-vip\/kube-vip(:|@|$)/.test(image)) &&
      (environment['svc_enable'] === 'true' || args.includes('--services')),
    classOf: ({ environment }) =>
      environment['lb_class_only'] === 'true'
        ? (environment['lb_class_name'] ?? 'kube-vip.io/kube-vip-class')
        : undefined,
    todo: [
      'Let kube-vip look after the control plane alone: svc_enable: "false" in its manifests. Or let it serve its class alone: lb_class_only: "true".',
    ],
  },
  {
    name: 'kube-vip-cloud-provider',
    matches: ({ images }) => images.some(image => image.includes('kube-vip-cloud-provider')),
    classOf: ({ environment }) =>
      environment['KUBEVIP_ENABLE_LOADBALANCERCLASS'] === 'true' ? 'kube-vip.io/kube-vip-class' : undefined,
    todo: ['Remove it, or set KUBEVIP_ENABLE_LOADBALANCERCLASS: "true".'],
  },
  {
    name: 'PureLB',
    matches: ({ images }) => images.some(image => /purelb\/(allocator|lbnodeagent)/.test(image)),
    classOf: () => undefined,
    todo: ['Remove it, or let Berth serve a class of its own: --load-balancer-class.'],
  },
  {
    name: 'OpenELB',
    matches: ({ images }) => images.some(image => /openelb(-manager)?(:|@|\/)/.test(image)),
    classOf: () => undefined,
    todo: ['Remove it, or let Berth serve a class of its own: --load-balancer-class.'],
  },
]

/** Who else gives addresses to the same Services. */
export function checkOthers({ workloads, crds, picture, ciliumPools }: Facts): readonly Finding[] {
  const own = picture.loadBalancerClass
  if (!workloads.known) return [unknown('OtherLoadBalancers', `whether another load balancer runs: ${workloads.why}`)]
  const found = others.flatMap(other => {
    const [first] = workloads.value.filter(workload => workload.desired > 0 && other.matches(workload))
    return first ? [findingOf(other, first, own)] : []
  })
  const findings = [...found, ...ofCilium(ciliumPools, own)]
  // Whoever may not list a kind is refused before anybody looks whether there is one.
  const isThere = !crds.known || crds.value.some(({ name }) => name === 'ciliumloadbalancerippools.cilium.io')
  const unseen =
    ciliumPools.known || !isThere
      ? []
      : [unknown('OtherLoadBalancers', `whether Cilium gives out addresses: ${ciliumPools.why}`)]
  if (findings.length + unseen.length > 0) return [...findings, ...unseen]
  return [ok('OtherLoadBalancers', 'No other load balancer that is known here runs.')]
}

function findingOf({ name, classOf, todo }: Other, workload: Workload, own: string | undefined): Finding {
  const theirs = classOf(workload)
  const where = `${name} runs (${workload.kind} ${workload.namespace}/${workload.name})`
  if (theirs !== own) {
    return ok('OtherLoadBalancers', `${where}, for ${wordClass(theirs)}; Berth is for ${wordClass(own)}.`)
  }
  return fail(
    'OtherLoadBalancers',
    `${where} and serves ${wordClass(own)} too: both write into the same Services.`,
    ...todo,
  )
}

/** Cilium's classes io.cilium/… are its own; a Service without one it serves as well, as soon as there is a pool. */
function ofCilium(pools: Facts['ciliumPools'], own: string | undefined): readonly Finding[] {
  if (!pools.known || pools.value.length === 0) return []
  const what = `Cilium has address pools (CiliumLoadBalancerIPPool ${pools.value.slice(0, 3).join(', ')})`
  if (own !== undefined) return [ok('OtherLoadBalancers', `${what}; Berth is for ${wordClass(own)}.`)]
  return [
    warn(
      'OtherLoadBalancers',
      `${what} and gives addresses to Services without a class too, unless defaultLBServiceIPAM is none.`,
      'Delete the pools: kubectl get ciliumloadbalancerippools. Or set defaultLBServiceIPAM: none in the values of Cilium.',
    ),
  ]
}

function wordClass(name: string | undefined): string {
  return name === undefined ? 'Services without loadBalancerClass' : `loadBalancerClass ${name}`
}

/** The value of `--name=value` or of `--name value`. */
export function flagOf(args: readonly string[], name: string): string | undefined {
  const joined = args.find(arg => arg.startsWith(`--${name}=`))
  if (joined !== undefined) return joined.slice(name.length + 3)
  const at = args.indexOf(`--${name}`)
  return at < 0 ? undefined : args[at + 1]
}
