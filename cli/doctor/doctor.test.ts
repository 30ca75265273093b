import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { apiGroup, plurals } from '../../crds/resources.ts'
import { specFields } from '../../crds/spec-fields.ts'
import {
  config,
  controllerLease,
  lists,
  namespace,
  node,
  nowMs,
  pool,
  secondsAgo,
  service,
  slice,
  speakerLease,
} from '../../test/cli/world.ts'
import { plain } from '../paint.ts'
import { pictureOf } from '../picture.ts'
import { type Lists, snapshotOf } from '../snapshot.ts'
import { diagnose } from './diagnose.ts'
import type { CRDFacts, Facts, Known, KubeProxy, NodeFacts, Workload } from './facts.ts'
import type { CheckName, Finding } from './finding.ts'
import {
  kubeProxyConfigurationIn,
  parseCRD,
  parseKubeProxy,
  parseLeaseClock,
  parseMissed,
  parseNodeFacts,
  parseWorkload,
} from './parse.ts'
import { doctorText } from './text.ts'

const golden = (name: string): string => join(import.meta.dirname, '../../test/cli/golden', name)
const known = <T>(value: T): Known<T> => ({ known: true, value })
const refused: Known<never> = { known: false, why: 'you may not read it (403: forbidden)' }

const crds: readonly CRDFacts[] = Object.entries(plurals).map(([kind, plural]) => ({
  name: `${plural}.${apiGroup}`,
  versions: ['v1beta1'],
  specFields: specFields[kind as keyof typeof specFields] ?? [],
  version: '0.1.0',
}))
const chartLabels = (component: string, version = '0.1.0') => ({
  'app.kubernetes.io/name': 'berth',
  'app.kubernetes.io/component': component,
  'app.kubernetes.io/version': version,
})
const workload = (kind: Workload['kind'], home: string, name: string, changes: Partial<Workload> = {}): Workload => ({
  kind,
  namespace: home,
  name,
  labels: {},
  images: [],
  args: [],
  environment: {},
  capabilities: [],
  privileged: false,
  hostNetwork: false,
  tolerations: [],
  desired: 1,
  ready: 1,
  ...changes,
})
const controller = workload('Deployment', namespace, 'berth-controller', { labels: chartLabels('controller') })
const speaker = (changes: Partial<Workload> = {}): Workload =>
  workload('DaemonSet', namespace, 'berth-speaker', {
    labels: chartLabels('speaker'),
    capabilities: ['NET_RAW', 'SYS_NICE'],
    hostNetwork: true,
    args: ['--speaker-key-file=/etc/berth/speaker-key/key', '--speaker-port=7947'],
    ...changes,
  })
const withOthers = (...others: readonly Workload[]): Partial<Facts> => ({
  workloads: known([controller, speaker(), ...others]),
})
const nodeFacts = (name: string, changes: Partial<NodeFacts> = {}): NodeFacts => ({
  name,
  podCIDRs: [`10.1.${name.at(-1)}.0/24`],
  kubeletVersion: 'v1.36.3',
  isControlPlane: false,
  taints: [],
  ...changes,
})
const names = ['node-1', 'node-2', 'node-3']
const excluded = { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }

/** A cluster in which all is well, but for these. */
function facts(changes: Partial<Facts> = {}, changed: Partial<Lists> = {}, loadBalancerClass?: string): Facts {
  return {
    picture: pictureOf(snapshotOf(lists(changed), namespace, nowMs), loadBalancerClass),
    version: '0.1.0',
    serverVersion: known('v1.36.3'),
    crds: known(crds),
    workloads: known([controller, speaker()]),
    ciliumPools: { known: false, why: '404' },
    kubeProxy: known({ mode: 'nftables', strictARP: false, from: 'ConfigMap kube-system/kube-proxy' }),
    nodes: names.map(name => nodeFacts(name)),
    serviceCIDRs: known(['10.96.0.0/12']),
    missedSpeakers: known(new Map(names.map(name => [name, 0]))),
    podSecurity: 'privileged',
    leases: names.map(holder => ({ holder, writtenMs: nowMs, receivedMs: nowMs })),
    ...changes,
  }
}

const cilium: CRDFacts = {
  name: 'ciliumloadbalancerippools.cilium.io',
  versions: ['v2', 'v2alpha1'],
  specFields: [],
  version: undefined,
}
const ciliumUnread: Partial<Facts> = { crds: known([...crds, cilium]), ciliumPools: refused }

const proxy = (mode: string, strictARP: boolean): Partial<Facts> => {
  const value: KubeProxy = { mode, strictARP, from: 'ConfigMap kube-system/kube-proxy' }
  return { kubeProxy: known(value) }
}
const local = (...nodes: readonly string[]): Partial<Lists> => ({
  services: [service('web', { ingress: ['192.0.2.0'], spec: { externalTrafficPolicy: 'Local' } })],
  endpointSlices: [slice('web', ...nodes)],
})

const eth = (name: string, subnet: string, settings: { rpFilter?: number; mtu?: number } = {}) => ({
  name,
  mac: `02:00:00:00:01:0${name.at(-1)}`,
  carrier: true,
  subnets: [subnet],
  ...settings,
})
/** The first speakers with these interfaces, the others with the usual one. */
function speakersWith(...interfaces: readonly (readonly object[])[]): Partial<Lists> {
  const leases = names.map((name, index) => {
    const own = interfaces[index]
    return speakerLease(name, own && own.length > 0 ? { interfaces: own } : {})
  })
  // Addresses of both networks are handed out.
  const pools = [pool('public', ['192.0.2.0/24']), pool('inner', ['10.0.0.128/25'])]
  return { leases: [controllerLease(), ...leases], ipAddressPools: pools }
}

type Case = readonly [name: string, check: CheckName, verdict: Finding['verdict'], facts: Facts]

const cases: readonly Case[] = [
  ['an API server that is too old', 'APIServerVersion', 'fail', facts({ serverVersion: known('v1.28.4+k3s1') })],
  ['a version that may not be read', 'APIServerVersion', 'unknown', facts({ serverVersion: refused })],
  ['a kind that is missing', 'CRDs', 'fail', facts({ crds: known(crds.slice(1)) })],
  [
    'kinds that are older',
    'CRDs',
    'fail',
    facts({ crds: known(crds.map(crd => ({ ...crd, specFields: crd.specFields.slice(0, -1) }))) }),
  ],
  ['kinds that may not be read', 'CRDs', 'unknown', facts({ crds: refused })],
  [
    'programs of another version',
    'ProgramVersions',
    'warn',
    facts({ workloads: known([controller, speaker({ labels: chartLabels('speaker', '0.0.9') })]) }),
  ],
  ['programs that the chart has not made', 'ProgramVersions', 'unknown', facts({ workloads: known([]) })],
  ['no controller', 'Controller', 'fail', facts({}, { leases: names.map(name => speakerLease(name)) })],
  ['a controller that is gone', 'Controller', 'fail', facts({}, { leases: [controllerLease(secondsAgo(90))] })],
  [
    'a node that is tainted',
    'Speakers',
    'warn',
    facts(
      {
        nodes: [
          nodeFacts('node-1'),
          nodeFacts('node-2'),
          nodeFacts('node-3', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }),
        ],
      },
      { leases: [controllerLease(), speakerLease('node-1'), speakerLease('node-2')] },
    ),
  ],
  [
    'a speaker that is gone',
    'Speakers',
    'warn',
    facts({}, { leases: [speakerLease('node-1'), speakerLease('node-2'), speakerLease('node-3', {}, secondsAgo(60))] }),
  ],
  ['no speaker anywhere', 'Speakers', 'fail', facts({}, { leases: [controllerLease()] })],
  [
    'a DaemonSet without NET_RAW',
    'SpeakerRights',
    'fail',
    facts({ workloads: known([controller, speaker({ capabilities: [] })]) }),
  ],
  [
    'a DaemonSet without the network of the nodes',
    'SpeakerRights',
    'fail',
    facts({ workloads: known([controller, speaker({ hostNetwork: false })]) }),
  ],
  ['a namespace that refuses the speakers', 'PodSecurity', 'fail', facts({ podSecurity: 'restricted' })],
  [
    'a port that is blocked',
    'SpeakersHearEachOther',
    'fail',
    facts({
      missedSpeakers: known(
        new Map([
          ['node-1', 1],
          ['node-2', 0],
          ['node-3', 2],
        ]),
      ),
    }),
  ],
  ['metrics that cannot be read', 'SpeakersHearEachOther', 'unknown', facts({ missedSpeakers: refused })],
  [
    'clocks that differ',
    'Clocks',
    'warn',
    facts({
      leases: [
        { holder: 'node-1', writtenMs: nowMs + 40_000, receivedMs: nowMs },
        { holder: 'node-2', writtenMs: nowMs - 7_000, receivedMs: nowMs },
      ],
    }),
  ],
  ['IPVS without strictARP', 'StrictARP', 'fail', facts(proxy('ipvs', false))],
  [
    'IPVS without strictARP where nothing is announced at layer 2',
    'StrictARP',
    'warn',
    facts(proxy('ipvs', false), { l2Advertisements: [] }),
  ],
  ['IPVS with strictARP', 'KubeProxyMode', 'warn', facts(proxy('ipvs', true))],
  [
    'a kube-proxy that nobody can ask',
    'StrictARP',
    'unknown',
    facts({ kubeProxy: { known: false, why: '404: configmaps "kube-proxy" not found' } }),
  ],
  [
    'a kube-proxy inside k3s',
    'KubeProxyMode',
    'unknown',
    facts({ kubeProxy: refused, nodes: names.map(name => nodeFacts(name, { kubeletVersion: 'v1.34.1+k3s1' })) }),
  ],
  [
    'MetalLB beside it',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('Deployment', 'metallb-system', 'controller', { images: ['quay.io/metallb/controller:v0.16.1'] }),
      ),
    ),
  ],
  [
    'MetalLB with a class of its own',
    'OtherLoadBalancers',
    'ok',
    facts(
      withOthers(
        workload('Deployment', 'metallb-system', 'controller', {
          images: ['quay.io/metallb/controller:v0.16.1'],
          args: ['--lb-class=metallb'],
        }),
      ),
    ),
  ],
  [
    'k3s servicelb',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('DaemonSet', 'kube-system', 'svclb-traefik-1a2b', { images: ['rancher/klipper-lb:v0.4.13'] }),
      ),
    ),
  ],
  [
    'kube-vip for Services',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('Pod', 'kube-system', 'kube-vip-node-1', {
          images: ['ghcr.io/kube-vip/kube-vip:v1.2.3'],
          environment: { svc_enable: 'true' },
        }),
      ),
    ),
  ],
  [
    'kube-vip for the control plane alone',
    'OtherLoadBalancers',
    'ok',
    facts(
      withOthers(
        workload('Pod', 'kube-system', 'kube-vip-node-1', {
          images: ['ghcr.io/kube-vip/kube-vip:v1.2.3'],
          environment: { svc_enable: 'false' },
        }),
      ),
    ),
  ],
  [
    'kube-vip-cloud-provider',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('Deployment', 'kube-system', 'kvcp', { images: ['ghcr.io/kube-vip/kube-vip-cloud-provider:v0.0.12'] }),
      ),
    ),
  ],
  [
    'PureLB',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('Deployment', 'purelb', 'allocator', { images: ['ghcr.io/purelb/purelb/allocator:v0.17.0'] }),
      ),
    ),
  ],
  [
    'OpenELB',
    'OtherLoadBalancers',
    'fail',
    facts(
      withOthers(
        workload('Deployment', 'openelb-system', 'openelb-controller', { images: ['kubesphere/openelb:v0.6.0'] }),
      ),
    ),
  ],
  ['pools of Cilium', 'OtherLoadBalancers', 'warn', facts({ ciliumPools: known(['blue']) })],
  [
    'pools of Cilium, and a class for Berth',
    'OtherLoadBalancers',
    'ok',
    facts({ ciliumPools: known(['blue']) }, {}, 'berth'),
  ],
  ['pools of Cilium that may not be read', 'OtherLoadBalancers', 'unknown', facts(ciliumUnread)],
  ['workloads that may not be read', 'OtherLoadBalancers', 'unknown', facts({ workloads: refused })],
  [
    'a single node of kubeadm',
    'ExcludedNodes',
    'fail',
    facts({ nodes: [nodeFacts('node-1', { isControlPlane: true })] }, { nodes: [node('node-1', excluded)] }),
  ],
  [
    'two nodes of three that are left out',
    'ExcludedNodes',
    'warn',
    facts({}, { nodes: [node('node-1', excluded), node('node-2', excluded), node('node-3')] }),
  ],
  [
    'a control plane that is left out',
    'ExcludedNodes',
    'ok',
    facts({}, { nodes: [node('node-1', excluded), node('node-2'), node('node-3')] }),
  ],
  [
    'a pool with the address of a node',
    'PoolsApart',
    'fail',
    facts(
      {},
      { nodes: [{ ...node('node-1'), status: { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] } }] },
    ),
  ],
  [
    'a pool with addresses of pods and Services',
    'PoolsApart',
    'fail',
    facts({}, { ipAddressPools: [pool('public', ['10.0.0.0/8'])] }),
  ],
  [
    'cluster IPs that are not told',
    'PoolsApart',
    'unknown',
    facts({ serviceCIDRs: { known: false, why: 'this version of Kubernetes does not tell (ServiceCIDR)' } }),
  ],
  ['a pool that nobody announces', 'PoolsAdvertised', 'warn', facts({}, { l2Advertisements: [] })],
  [
    'a pool in use that nobody announces',
    'PoolsAdvertised',
    'fail',
    facts({}, { l2Advertisements: [], services: [service('web', { ingress: ['192.0.2.0'] })] }),
  ],
  [
    'advertisements without a peer',
    'PoolsAdvertised',
    'warn',
    facts({}, { bgpAdvertisements: [config('BGPAdvertisement', 'all', {})] }),
  ],
  ['no pool', 'PoolsAdvertised', 'warn', facts({}, { ipAddressPools: [] })],
  [
    'an object that is not in use as written',
    'Configuration',
    'warn',
    facts(
      {},
      {
        l2Advertisements: [
          config('L2Advertisement', 'all', {}),
          config('L2Advertisement', 'odd', { ipAddressPools: ['nowhere'] }),
        ],
      },
    ),
  ],
  [
    'strict checks of packets on a node with two networks',
    'KernelSettings',
    'warn',
    facts(
      {},
      speakersWith([eth('eth0', '192.0.2.0/24', { rpFilter: 1 }), eth('eth1', '10.0.0.0/24', { rpFilter: 1 })]),
    ),
  ],
  [
    'speakers that do not tell how packets are checked',
    'KernelSettings',
    'unknown',
    facts({}, speakersWith([eth('eth0', '192.0.2.0/24'), eth('eth1', '10.0.0.0/24')])),
  ],
  [
    'a node with another MTU than its neighbours',
    'MTU',
    'warn',
    facts(
      {},
      speakersWith(
        [eth('eth0', '192.0.2.0/24', { mtu: 9000 })],
        [eth('eth0', '192.0.2.0/24', { mtu: 9000 })],
        [eth('eth0', '192.0.2.0/24', { mtu: 1500 })],
      ),
    ),
  ],
  ['Local without an endpoint', 'LocalEndpoints', 'warn', facts({}, local())],
  [
    'Local with an endpoint where nobody announces',
    'LocalEndpoints',
    'warn',
    facts({}, { ...local('node-1'), nodes: [node('node-1', excluded), node('node-2'), node('node-3')] }),
  ],
]

describe('how the interfaces are set', () => {
  const findings = (check: CheckName, one: Facts): readonly (readonly [string, string])[] =>
    diagnose(one)
      .filter(finding => finding.check === check)
      .map(({ verdict, what }) => [verdict, what])

  test('strict on a node with one network harms nobody', () => {
    const one = facts({}, speakersWith([eth('eth0', '192.0.2.0/24', { rpFilter: 1 })]))
    expect(findings('KernelSettings', one)).toEqual([['ok', expect.stringContaining('No node stands in several')]])
  })

  test('loose on a node with several is as it should be', () => {
    const two = [eth('eth0', '192.0.2.0/24', { rpFilter: 2 }), eth('eth1', '10.0.0.0/24', { rpFilter: 0 })]
    expect(findings('KernelSettings', facts({}, speakersWith(two)))).toEqual([
      ['ok', expect.stringContaining('has rp_filter 1 (strict)')],
    ])
  })

  test('a bridge of containers is no network of the node, in neither check', () => {
    const bridge = eth('docker0', '172.17.0.0/16', { rpFilter: 1, mtu: 1450 })
    const own = [eth('eth0', '192.0.2.0/24', { rpFilter: 1 }), bridge]
    const one = facts({}, speakersWith(own, [eth('eth0', '192.0.2.0/24'), { ...bridge, mtu: 1500 }]))
    for (const check of ['KernelSettings', 'MTU'] as const)
      expect(findings(check, one).filter(([verdict]) => verdict === 'warn')).toEqual([])
  })

  test('a Lease that is left of a node that was deleted says nothing of the network', () => {
    const one = facts(
      {},
      {
        ...speakersWith([], [], [eth('eth0', '192.0.2.0/24', { mtu: 9000 })]),
        nodes: names.slice(0, 2).map(name => node(name)),
      },
    )
    expect(findings('MTU', one).map(([verdict]) => verdict)).not.toContain('warn')
  })
})

describe('the doctor', () => {
  test('finds nothing where all is well, and says what it cannot see', async () => {
    const findings = diagnose(facts())
    expect(findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')).toEqual([])
    expect(findings.filter(({ verdict }) => verdict === 'unknown').map(({ check }) => check)).toEqual(['MTU'])
    await expect(doctorText(findings, plain)).toMatchFileSnapshot(golden('doctor-well.txt'))
  })

  test.each(cases)('%s', (_, check, verdict, facts) => {
    expect(
      diagnose(facts)
        .filter(one => one.check === check)
        .map(one => one.verdict),
    ).toContain(verdict)
  })

  test('what it says of each', async () => {
    const texts = cases.map(([name, check, , facts]) => {
      const own = diagnose(facts).filter(one => one.check === check)
      const said = own.map(({ verdict, what, todo }) =>
        [`${verdict}  ${what}`, ...todo.map(text => `  → ${text}`)].join('\n'),
      )
      return `${name}: ${check}\n${said.join('\n')}\n`
    })
    await expect(texts.join('\n')).toMatchFileSnapshot(golden('doctor-findings.txt'))
  })

  test('every check has a case, and every failure something to do', () => {
    const covered = new Set<string>(cases.map(([, check]) => check))
    expect(diagnose(facts()).filter(({ check }) => !covered.has(check))).toEqual([])
    const silent = cases
      .flatMap(([, , , one]) => diagnose(one))
      .filter(({ verdict, todo }) => verdict === 'fail' && todo.length === 0)
    expect(silent).toEqual([])
  })

  test('a cluster with several troubles', async () => {
    const sick = facts(
      {
        ...proxy('ipvs', false),
        ...withOthers(workload('DaemonSet', 'kube-system', 'svclb-traefik-1a2b')),
        missedSpeakers: refused,
      },
      { nodes: [node('node-1', excluded)], l2Advertisements: [config('L2Advertisement', 'all', {})] },
    )
    await expect(
      doctorText(diagnose({ ...sick, nodes: [nodeFacts('node-1', { isControlPlane: true })] }), plain),
    ).toMatchFileSnapshot(golden('doctor-trouble.txt'))
  })

  test('never takes for well what it may not see: pools of Cilium, where the kind is there or may be', () => {
    const verdicts = (changes: Partial<Facts>): readonly string[] =>
      diagnose(facts(changes))
        .filter(({ check }) => check === 'OtherLoadBalancers')
        .map(({ verdict }) => verdict)
    expect(verdicts(ciliumUnread)).toEqual(['unknown'])
    expect(verdicts({ crds: refused, ciliumPools: refused })).toEqual(['unknown'])
    // There is nothing to see where there is no such kind.
    expect(verdicts({ ciliumPools: refused })).toEqual(['ok'])
    expect(verdicts({ crds: refused, ciliumPools: known([]) })).toEqual(['ok'])
  })

  test('the class that others serve does not matter where Berth has one of its own', () => {
    const classless = withOthers(workload('DaemonSet', 'kube-system', 'svclb-traefik-1a2b'))
    const [finding] = diagnose(facts(classless, {}, 'berth')).filter(({ check }) => check === 'OtherLoadBalancers')
    expect(finding?.verdict).toBe('ok')
  })
})

describe('what the doctor reads', () => {
  test('a DaemonSet', () => {
    const container = {
      image: 'a',
      args: ['--x'],
      env: [{ name: 'E', value: '1' }],
      securityContext: { capabilities: { add: ['NET_RAW'] } },
    }
    const template = { spec: { hostNetwork: true, containers: [container], tolerations: [{ operator: 'Exists' }] } }
    const object = {
      metadata: { name: 'd', namespace: 'n' },
      spec: { template },
      status: { desiredNumberScheduled: 3 },
    }
    expect(parseWorkload('DaemonSet', object)).toMatchObject({
      capabilities: ['NET_RAW'],
      hostNetwork: true,
      args: ['--x'],
      environment: { E: '1' },
      tolerations: [{ key: undefined, operator: 'Exists' }],
      desired: 3,
      ready: 0,
    })
  })

  test('the configuration of kube-proxy, and not the kubeconfig beside it', () => {
    const kubeconfig = 'apiVersion: v1\nkind: Config\nclusters: []\n'
    const ipvs = 'kind: KubeProxyConfiguration\nmode: ipvs\n'
    const modeIn = (data: Readonly<Record<string, string>>): string | undefined => {
      const configuration = kubeProxyConfigurationIn(data)
      return configuration === undefined ? undefined : parseKubeProxy(configuration, 'x').mode
    }
    expect(modeIn({ 'kubeconfig.conf': kubeconfig, 'config.conf': ipvs })).toBe('ipvs')
    expect(modeIn({ kubeconfig, config: ipvs })).toBe('ipvs')
    expect(modeIn({ 'notes.txt': 'a: b: c', 'config.conf': ipvs })).toBe('ipvs')
    // What nobody has seen is no default mode.
    expect(modeIn({ 'kubeconfig.conf': kubeconfig })).toBeUndefined()
    expect(modeIn({})).toBeUndefined()
  })

  test('anything else, without a complaint', () => {
    for (const object of [undefined, {}, { metadata: { name: 'a' } }, { metadata: { name: 'a' }, spec: [] }]) {
      expect(() => [
        parseCRD(object),
        parseWorkload('Pod', object),
        parseNodeFacts(object),
        parseLeaseClock(object),
      ]).not.toThrow()
    }
    expect(parseKubeProxy(undefined, 'x')).toEqual({ mode: '', strictARP: false, from: 'x' })
  })

  test('the two clocks of a Lease', () => {
    const metadata = { managedFields: [{ time: '2026-11-23T12:00:00Z' }, { time: '2026-11-23T12:00:05Z' }] }
    const spec = { holderIdentity: 'node-1', renewTime: '2026-11-23T12:00:04.500000Z' }
    expect(parseLeaseClock({ metadata, spec })).toMatchObject({ holder: 'node-1' })
    expect(parseLeaseClock({ metadata: {}, spec })).toBeUndefined()
  })

  test('the metric of the speakers that are missed', () => {
    expect(parseMissed('# HELP berth_speaker_missed x\nberth_speaker_missed 2\n')).toBe(2)
    expect(parseMissed('berth_speaker_members{liveness="alive"} 3\n')).toBeUndefined()
  })
})
