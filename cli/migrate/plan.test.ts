import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { controllerLease, lists, node, nowMs, pool, record, service } from '../../test/cli/world.ts'
import { parseManifests } from '../manifests.ts'
import { plain } from '../paint.ts'
import type { Lists } from '../snapshot.ts'
import { type BerthObject, type Conversion, convert } from './convert.ts'
import { heldSelectors, isHeld, ownSelectors } from './peer-nodes.ts'
import { type Cluster, progressOf } from './progress.ts'
import { idleClass, type Step, stepsToBerth, stepsToMetalLB } from './steps.ts'
import { planText } from './text.ts'

const namespace = 'berth-system'
const folder = join(import.meta.dirname, '../../test/cli/migrate')

/** MetalLB with a pool of each kind that matters here, and as many speakers as are said. */
const metallb = (scheduled: number, replicas = 1, layer2 = true): readonly unknown[] => {
  const text = readFileSync(join(folder, 'live.yaml'), 'utf8')
  const objects = parseManifests('live.yaml', text).manifests.map(({ object }) => object as { readonly kind: string })
  return objects.flatMap((object): unknown => {
    const { kind } = object
    if (kind === 'L2Advertisement' && !layer2) return []
    if (kind === 'DaemonSet') return { ...object, status: { desiredNumberScheduled: scheduled } }
    if (kind !== 'Deployment') return object
    return { ...object, spec: { ...(object as { spec?: object }).spec, replicas } }
  })
}

const announcer = (name: string, node: string): object => ({
  status: { node, serviceName: name, serviceNamespace: 'shop' },
})

const empty = { ipAddressPools: [], l2Advertisements: [] } as const
const web = service('web', { ingress: ['192.0.2.100'] })

function clusterWith(changed: Partial<Lists>, more: Partial<Cluster> = {}): Cluster {
  return {
    lists: lists({ ...empty, services: [web], ...changed }),
    takenAtMs: nowMs,
    announcers: [announcer('web', 'node-2')],
    deployments: [],
    ...more,
  }
}

/** As the API server would list what was applied. */
function applied(objects: readonly BerthObject[]): Partial<Lists> {
  const of = (kind: string) => objects.filter(object => object.kind === kind)
  return { ipAddressPools: of('IPAddressPool'), l2Advertisements: of('L2Advertisement'), bgpPeers: of('BGPPeer') }
}

const deployment = (loadBalancerClass: string): object => ({
  metadata: { labels: { 'app.kubernetes.io/component': 'controller', 'app.kubernetes.io/instance': 'lb' } },
  spec: { template: { spec: { containers: [{ args: [`--load-balancer-class=${loadBalancerClass}`] }] } } },
})

describe('the way from MetalLB to Berth', () => {
  const conversion = convert(metallb(3), { namespace })

  test('begins with an installation, and a plan that says what would become of every Service', async () => {
    const cluster = clusterWith({ leases: [] })
    const progress = progressOf(cluster, conversion, namespace)
    const steps = stepsToBerth(conversion, progress, { namespace })
    expect(steps.map(({ done }) => done)).toEqual([false, false, false, false, false, false, false])
    const text = planText('from-metallb', conversion, progress, steps, plain)
    await expect(text).toMatchFileSnapshot(join(folder, 'golden/plan.txt'))
  })

  test('knows where MetalLB announces what, when a speaker of Berth lives there', () => {
    const seeds = progressOf(clusterWith({}), conversion, namespace).seeds
    expect(seeds.map(seed => [seed.service.key, seed.node])).toEqual([['shop/web', 'node-2']])
    expect(progressOf(clusterWith({ leases: [controllerLease()] }), conversion, namespace).seeds).toEqual([])
    const known = clusterWith({ layer2Records: [record('web', 'node-2', '192.0.2.100')] })
    expect(progressOf(known, conversion, namespace).seeds).toEqual([])
  })

  test('tells each Service that would not keep its address, and why', () => {
    const elsewhere = service('old', { ingress: ['198.51.100.7'] })
    const unlike = service('bank', { ingress: ['203.0.113.4'] })
    const { losses, services } = progressOf(clusterWith({ services: [web, elsewhere, unlike] }), conversion, namespace)
    expect(services).toBe(3)
    expect(losses.map(loss => [loss.service, loss.addresses])).toEqual([
      ['shop/old', ['198.51.100.7']],
      ['shop/bank', ['203.0.113.4']],
    ])
    expect(losses.every(({ because }) => because.length > 20)).toBe(true)
    expect(losses[1]?.because).toContain('bank')
  })

  test('counts what is done: objects, announcements, adoptions, speakers that have gone', () => {
    const gone = convert(metallb(0, 0, false), { namespace })
    const taken = service('web', {
      ingress: ['192.0.2.100'],
      conditions: [{ type: 'berth.dev/Allocated', status: 'True', reason: 'Allocated', message: '' }],
    })
    const there = { ...applied(conversion.objects), services: [taken] }
    const announced = { ...there, layer2Records: [record('web', 'node-2', '192.0.2.100')] }
    const done = (changed: Partial<Lists>, of = conversion, loadBalancerClass = '') => {
      const cluster = clusterWith(changed, { deployments: [deployment(loadBalancerClass)] })
      return stepsToBerth(of, progressOf(cluster, of, namespace), { namespace }).map(step => step.done)
    }
    expect(done({}, conversion, idleClass)).toEqual([true, false, false, false, false, false, false])
    expect(done(there, conversion, idleClass)).toEqual([true, false, true, false, false, false, false])
    const stopped = convert(metallb(3, 0), { namespace })
    expect(done(announced, stopped)).toEqual([true, false, true, true, false, false, false])
    const silent = convert(metallb(3, 0, false), { namespace })
    expect(done(announced, silent)).toEqual([true, false, true, true, true, false, false])
    expect(done(announced, gone)).toEqual([true, true, true, true, true, true, false])
    expect(progressOf(clusterWith(there), conversion, namespace).layer2).toMatchObject({ wanted: 1, announced: 0 })
    expect(progressOf(clusterWith(announced), conversion, namespace).layer2).toMatchObject({ wanted: 1, announced: 1 })
  })

  test('sees an object of the same name that says something else', () => {
    const [first] = conversion.objects.filter(({ kind }) => kind === 'IPAddressPool')
    const other = { ...first, spec: { addresses: ['203.0.113.200/29'] } }
    const { objects } = progressOf(clusterWith({ ipAddressPools: [other] }), conversion, namespace)
    expect(objects.other).toEqual([`IPAddressPool ${first?.metadata.name}`])
  })

  test('has the names that things have in this cluster', () => {
    const cluster = clusterWith({}, { deployments: [deployment(idleClass)] })
    const commands = stepsToBerth(conversion, progressOf(cluster, conversion, namespace), { namespace: 'lb' })
    expect(commands.flatMap(step => step.commands)).toContain(
      'kubectl berth migrate from-metallb --apply --namespace lb',
    )
    expect(commands.flatMap(step => step.commands)).toContain(
      'helm upgrade lb charts/berth --namespace lb --reuse-values --set loadBalancerClass=',
    )
  })
})

describe('the way back to MetalLB', () => {
  const there = applied(convert(metallb(3), { namespace }).objects)
  const stepsOf = (
    of: Conversion,
    changed: Partial<Lists> = {},
    announcers: readonly object[] = [],
  ): readonly Step[] => {
    const cluster = clusterWith({ ...there, ...changed }, { deployments: [deployment(idleClass)], announcers })
    return stepsToMetalLB(of, progressOf(cluster, of, namespace), { namespace })
  }
  const moved = { nodes: ['node-1', 'node-2', 'node-3'].map(name => node(name, { 'berth.dev/metallb': 'true' })) }
  /** MetalLB whose BGPPeer has sessions on the nodes with the label alone. */
  const held = (scheduled: number, layer2 = true): readonly unknown[] =>
    metallb(scheduled, 1, layer2).map(object => {
      const { kind, spec } = object as { readonly kind: string; readonly spec?: object }
      const nodeSelectors = [{ matchLabels: { 'berth.dev/metallb': 'true' } }]
      return kind === 'BGPPeer' ? { ...(object as object), spec: { ...spec, nodeSelectors } } : object
    })
  const done = (...args: Parameters<typeof stepsOf>): readonly boolean[] => stepsOf(...args).map(step => step.done)

  test('is done when the controllers have changed, every session is MetalLB’s, it announces and Berth is out', () => {
    const [gone, silent, all] = [metallb(0, 0, false), held(3, false), held(3)].map(one => convert(one, { namespace }))
    if (!gone || !silent || !all) throw new Error('not converted')
    expect(done(gone)).toEqual([false, false, false, false, false])
    expect(done(convert(metallb(3, 1, false), { namespace }))).toEqual([true, false, false, false, false])
    expect(done(silent)).toEqual([true, true, false, false, false])
    expect(done(silent, moved)).toEqual([true, true, true, false, false])
    expect(done(all, moved)).toEqual([true, true, true, false, false])
    expect(done(all, moved, [announcer('web', 'node-2')])).toEqual([true, true, true, true, false])
    expect(done(all, { ...moved, leases: [] }, [announcer('web', 'node-2')])).toEqual([true, true, true, true, true])
  })

  test('holds peers back before it lets speakers come, and says by each node who leaves and who comes', () => {
    const [, first, second] = stepsOf(convert(metallb(0, 1, false), { namespace }))
    const patch = '{"spec":{"nodeSelectors":[{"matchLabels":{"berth.dev/metallb":"true"}}]}}'
    expect(first?.commands).toEqual([
      `kubectl --namespace metallb-system patch bgppeers.metallb.io tor --type merge --patch '${patch}'`,
      `kubectl --namespace metallb-system patch daemonset speaker --patch '{"spec":{"template":{"spec":{"nodeSelector":{"berth.dev/metallb":null}}}}}'`,
    ])
    expect(second?.commands.slice(0, 2)).toEqual([
      'kubectl label node node-1 --overwrite berth.dev/metallb=next',
      'kubectl label node node-1 --overwrite berth.dev/metallb=true',
    ])
  })

  test('needs no more than the label where there is no BGP', () => {
    const without = metallb(0, 1, false).filter(object => (object as { kind: string }).kind !== 'BGPPeer')
    const steps = stepsOf(convert(without, { namespace }))
    expect(steps).toHaveLength(4)
    expect(steps[1]?.commands).toEqual(['kubectl label nodes --all --overwrite berth.dev/metallb=true'])
  })

  test('goes node by node, as well as it can, where peers are in a ConfigMap and cannot be held back', () => {
    const steps = stepsOf({ ...convert(metallb(0, 1, false), { namespace }), peers: [] })
    expect(steps[1]?.title).toContain('node by node')
    expect(steps[1]?.commands).toEqual(
      ['node-1', 'node-2', 'node-3'].map(name => `kubectl label node ${name} --overwrite berth.dev/metallb=true`),
    )
  })

  test.each([
    { what: 'no selectors', own: [] },
    { what: 'labels', own: [{ matchLabels: { rack: 'a' } }, { matchLabels: { rack: 'b' } }] },
    { what: 'expressions', own: [{ matchExpressions: [{ key: 'edge', operator: 'Exists' }] }] },
  ])('adds the label to $what of a peer, and knows them again when the cluster moves once more', ({ own }) => {
    const nodeSelectors = heldSelectors({ name: 'tor', nodeSelectors: own })
    expect(isHeld({ name: 'tor', nodeSelectors })).toBe(true)
    expect(isHeld({ name: 'tor', nodeSelectors: own })).toBe(false)
    expect(ownSelectors({ nodeSelectors })).toEqual(own)
  })
})

test('on the way back an address counts as lost that is in none of the pools of MetalLB, whatever pool of Berth has it', () => {
  const conversion = convert(metallb(3), { namespace })
  const newer = service('new', { ingress: ['198.51.100.7'] })
  const pools = [...(applied(conversion.objects).ipAddressPools ?? []), pool('newer', ['198.51.100.0/24'])]
  const cluster = clusterWith({ services: [web, newer], ipAddressPools: pools })
  expect(progressOf(cluster, conversion, namespace).losses).toEqual([])
  const { losses } = progressOf(cluster, conversion, namespace, 'metallb')
  expect(losses.map(loss => loss.service)).toEqual(['shop/new'])
})
