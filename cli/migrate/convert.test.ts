import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fuzzedObject } from '../../crds/arbitrary.ts'
import { parseConfig } from '../../crds/parse.ts'
import { ruleExamples } from '../../crds/rule-examples.ts'
import { parseManifests } from '../manifests.ts'
import { plain } from '../paint.ts'
import { type BerthObject, convert } from './convert.ts'
import { manifestText, remarksText } from './text.ts'

const namespace = 'berth-system'
const folder = join(import.meta.dirname, '../../test/cli/migrate')

function objectsOf(file: string): readonly unknown[] {
  const text = readFileSync(join(folder, `${file}.yaml`), 'utf8')
  return parseManifests(file, text).manifests.map(({ object }) => object)
}

function verdictsOn(objects: readonly BerthObject[]) {
  const of = (kind: string) => objects.filter(object => object.kind === kind)
  const resources = {
    ipAddressPools: of('IPAddressPool'),
    l2Advertisements: of('L2Advertisement'),
    bgpAdvertisements: of('BGPAdvertisement'),
    bgpPeers: of('BGPPeer'),
    bfdProfiles: of('BFDProfile'),
    communities: of('Community'),
  }
  return parseConfig(resources, { namespace }).verdicts
}

describe('the configuration of MetalLB', () => {
  test.each(['native', 'frr', 'legacy'])('of %s.yaml becomes what stands beside it', async file => {
    const { objects, remarks } = convert(objectsOf(file), { namespace })
    await expect(manifestText(objects)).toMatchFileSnapshot(join(folder, 'golden', `${file}.yaml`))
    await expect(remarksText(remarks, plain)).toMatchFileSnapshot(join(folder, 'golden', `${file}.txt`))
    const verdicts = verdictsOn(objects)
    expect(verdicts.map(({ reason }) => reason)).toEqual(objects.map(() => 'Accepted'))
    expect(verdicts.length).toBeGreaterThan(3)
  })

  test('is tried with every field that MetalLB has', () => {
    const sources = ['native', 'frr'].flatMap(objectsOf).flatMap(object => fieldsOf(object))
    expect(new Set(sources)).toEqual(new Set([...sources, ...everyField]))
  })

  test('tells how it is installed', () => {
    expect(convert(objectsOf('native'), { namespace }).installation).toEqual({
      namespace: 'metallb-system',
      controller: {
        namespace: 'metallb-system',
        name: 'controller',
        replicas: 1,
        loadBalancerClass: 'example.com/metal',
      },
      speaker: {
        namespace: 'metallb-system',
        name: 'speaker',
        backend: 'native',
        ignoresExcludeLabel: true,
        nodeSelector: { 'kubernetes.io/os': 'linux', edge: 'true' },
        scheduled: 3,
      },
    })
    expect(convert(objectsOf('frr'), { namespace }).installation).toMatchObject({
      namespace: 'lb',
      controller: undefined,
      speaker: { name: 'metallb-speaker', backend: 'frr-k8s', ignoresExcludeLabel: false },
    })
  })

  test('names the Secrets that are to be copied', () => {
    expect(convert(objectsOf('native'), { namespace }).secrets).toEqual(['tor-password'])
  })

  test('of the namespace that is named is taken, wherever MetalLB seems to be', () => {
    const { objects } = convert(objectsOf('native'), { namespace, metallbNamespace: 'default' })
    expect(objects.map(({ metadata }) => metadata.name)).toEqual(['astray'])
  })

  test('has a remark on selectors of namespaces where none matches, or none is known', () => {
    const label = { matchLabels: { team: 'bank' } }
    const metadata = { name: 'bank', namespace: 'metallb-system' }
    const spec = { addresses: ['192.0.2.0/24'], serviceAllocation: { namespaceSelectors: [label] } }
    const pool = { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec }
    const space = (team: string): object => ({ kind: 'Namespace', metadata: { name: team, labels: { team } } })
    const weights = (...more: readonly object[]): readonly string[] =>
      convert([pool, ...more], { namespace }).remarks.map(({ weight }) => weight)
    expect(weights()).toEqual(['differs'])
    expect(weights(space('shop'))).toEqual(['differs'])
    expect(weights(space('shop'), space('bank'))).toEqual([])
  })

  test('that cannot be read is said to be lost', () => {
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config' }, data: { config: 'a: [' } }
    expect(convert([config], { namespace })).toMatchObject({
      objects: [],
      remarks: [{ weight: 'lost', object: 'ConfigMap config' }],
    })
  })

  test('whose example is fine to Berth, is the same in Berth', () => {
    const own = 'loadSharing med asPathPrepend weightByEndpoints addressFamilies ttlSecurity passive avoidConflicts'
    const unlike = own.split(' ')
    const examples = ruleExamples.filter(({ good }) => !Object.keys(good).some(field => unlike.includes(field)))
    expect(examples.length).toBeGreaterThan(40)
    for (const { kind, good } of examples) {
      const metadata = { name: 'one', namespace: 'metallb-system' }
      const { remarks } = convert([{ apiVersion: 'metallb.io/v1beta1', kind, metadata, spec: good }], { namespace })
      expect(remarks.filter(({ what }) => what === 'is not known here.')).toEqual([])
    }
  })

  // The property that nothing half-used is ever written, whatever is found.
  test('whatever stands in it, becomes objects that are in use as they are written', { timeout: 30_000 }, () => {
    const source = fc.record({ fuzzed: fuzzedObject, name: fc.constantFrom('a', 'b', 'c', 'object-1', 'object-2') })
    let converted = 0
    fc.assert(
      fc.property(fc.array(source, { maxLength: 8 }), list => {
        const objects = list.map(({ fuzzed, name }) => ({
          apiVersion: 'metallb.io/v1beta1',
          kind: fuzzed.kind,
          metadata: { name, namespace: 'metallb-system', labels: fuzzed.labels },
          spec: fuzzed.spec,
        }))
        const result = convert(objects, { namespace })
        converted += result.objects.length
        expect(verdictsOn(result.objects).filter(({ ready }) => !ready)).toEqual([])
        // What is not there any more has a remark.
        const there = new Set(result.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`))
        const told = new Set(result.remarks.map(({ object }) => object))
        const vanished = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).filter(id => !there.has(id))
        expect(vanished.filter(id => !told.has(id))).toEqual([])
      }),
      { numRuns: 200, interruptAfterTimeLimit: 3_000 },
    )
    expect(converted).toBeGreaterThan(20)
  })
})

function fieldsOf(object: unknown): readonly string[] {
  const { kind, spec } = object as { kind: string; spec?: Readonly<Record<string, unknown>> }
  const allocation = spec?.['serviceAllocation'] ?? {}
  return [
    ...Object.keys(spec ?? {}).map(field => `${kind} ${field}`),
    ...Object.keys(allocation).map(field => `${kind} serviceAllocation.${field}`),
  ]
}

const everyField = Object.entries({
  IPAddressPool:
    'addresses autoAssign avoidBuggyIPs serviceAllocation.priority serviceAllocation.namespaces ' +
    'serviceAllocation.namespaceSelectors serviceAllocation.serviceSelectors',
  L2Advertisement:
    'ipAddressPools ipAddressPoolSelectors nodeSelectors interfaces serviceSelectors preferredNodeSelectors',
  BGPAdvertisement:
    'aggregationLength aggregationLengthV6 localPref communities ipAddressPools nodeSelectors peers serviceSelectors',
  BGPPeer:
    'myASN peerASN dynamicASN localASN peerAddress interface sourceAddress peerPort holdTime keepaliveTime connectTime ' +
    'routerID nodeSelectors password passwordSecret bfdProfile enableGracefulRestart ebgpMultiHop vrf disableMP ' +
    'dualStackAddressFamily',
  BFDProfile: 'receiveInterval transmitInterval detectMultiplier echoInterval echoMode passiveMode minimumTtl',
  Community: 'communities',
}).flatMap(([kind, fields]) => fields.split(' ').map(field => `${kind} ${field}`))
