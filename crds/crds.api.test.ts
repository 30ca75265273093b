import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { patchStatus } from '../kube/apply.ts'
import { setCondition } from '../kube/conditions.ts'
import { loadCredentials } from '../kube/credentials.ts'
import { ApiError, type ApiRequest, createTransport, type Query, type Transport } from '../kube/transport.ts'
import { formatAddress } from '../net/address.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane/control-plane.ts'
import { rulesBrokenBy, schemaPathOf } from '../test/crd-rules.ts'
import { manifests, snippets } from '../test/docs/snippets.ts'
import { type FuzzedObject, fuzzedObject } from './arbitrary.ts'
import type { ConfigKind } from './config.ts'
import { parseConfig } from './parse.ts'
import { apiVersion, plurals, resourcePath } from './resources.ts'
import { type ChangeExample, changeExamples } from './rule-examples/changes.ts'
import type { RuleExample } from './rule-examples/example.ts'
import { ruleExamples } from './rule-examples.ts'

let controlPlane: ControlPlane
let transport: Transport

beforeAll(async () => {
  controlPlane = await startControlPlane()
  transport = createTransport(await loadCredentials(await controlPlane.kubeconfig()))
})

afterAll(async () => {
  transport?.close()
  await controlPlane?.stop()
})

/** What the API server answers to an object of this kind: 'accepted', or why not. Nothing is kept. */
async function answerTo(kind: ConfigKind, spec: object): Promise<string> {
  return create(kind, 'example', spec, { dryRun: 'All' })
}

async function create(
  kind: keyof typeof plurals,
  name: string,
  spec: object | undefined,
  query: Query = {},
): Promise<string> {
  return await said({
    method: 'POST',
    path: resourcePath(kind, 'default'),
    query: { ...query, fieldValidation: 'Strict' },
    body: { apiVersion, kind, metadata: { name }, spec },
  })
}

interface Patch extends Pick<ChangeExample, 'kind' | 'part'> {
  readonly name: string
  readonly to: object
  readonly query?: Query | undefined
}

async function patch({ kind, name, part, to, query = {} }: Patch): Promise<string> {
  const path = `${resourcePath(kind, 'default')}/${name}${part === 'status' ? '/status' : ''}`
  return await said({
    method: 'PATCH',
    path,
    query: { ...query, fieldValidation: 'Strict' },
    contentType: 'application/merge-patch+json',
    body: { [part]: to },
  })
}

async function said(request: ApiRequest): Promise<string> {
  try {
    await transport.request(request)
    return 'accepted'
  } catch (error) {
    if (error instanceof ApiError) return error.message
    throw error
  }
}

test('the API server takes every CRD, its names and its rules, within the cost limits', async () => {
  const { items } = await transport.request<{
    items: { metadata: { name: string }; status: { conditions: { type: string; status: string; message: string }[] } }[]
  }>({ method: 'GET', path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions' })
  const states = items.map(({ metadata, status }) => ({
    name: metadata.name,
    conditions: status.conditions.map(condition => `${condition.type}=${condition.status}`).toSorted(),
  }))
  expect(states).toEqual(
    Object.values(plurals)
      .toSorted()
      .map(plural => ({ name: `${plural}.berth.dev`, conditions: ['Established=True', 'NamesAccepted=True'] })),
  )
})

/** As the API server writes an answer of one cause about a field: where, and what is wrong there. */
const oneCause = / is invalid: (?<field>[^\s:]+): (?<problem>.+)$/s

/** Expects that an answer breaks what the example is about, and nothing else. */
function expectOnly(answer: string, example: RuleExample | ChangeExample): void {
  expect(answer).toContain(example.answer)
  for (const { kind, path } of rulesBrokenBy(example)) {
    expect(answer).not.toContain(' is invalid: [')
    expect(schemaPathOf(kind, oneCause.exec(answer)?.groups?.['field'] ?? '')).toBe(path)
  }
}

describe('each rule has an object that keeps it and one that is refused with advice', () => {
  test.concurrent.each(ruleExamples)('$kind: $rule', async example => {
    const { kind, good, bad } = example
    expect(await answerTo(kind, good)).toBe('accepted')
    expectOnly(await answerTo(kind, bad), example)
  })
})

describe('each rule about a change has one that keeps it and one that is refused with advice', () => {
  const numbered = changeExamples.map((example, index) => ({ ...example, name: `changes-${index}` }))
  test.concurrent.each(numbered)('$kind: $rule', async example => {
    const { kind, part, name, before, good, bad } = example
    expect(await create(kind, name, part === 'spec' ? before : undefined)).toBe('accepted')
    const change = async (to: object, query?: Query): Promise<string> => await patch({ kind, name, part, to, query })
    expect(await change(before)).toBe('accepted')
    expect(await change(good, { dryRun: 'All' })).toBe('accepted')
    expectOnly(await change(bad, { dryRun: 'All' }), example)
    expect(await said({ method: 'DELETE', path: `${resourcePath(kind, 'default')}/${name}` })).toBe('accepted')
  })
})

test('the API server and Berth agree which end of a range is the lower one', async () => {
  // Ends that have the first `common` bits in common, so that every bit is the deciding one for some pair.
  const pairs = (
    [
      ['IPv4', 32],
      ['IPv6', 128],
    ] as const
  ).flatMap(([family, width]) => {
    const number = fc.bigInt({ min: 0n, max: 2n ** BigInt(width) - 1n })
    return fc.sample(fc.tuple(number, number), { numRuns: width, seed: width }).map(([one, noise], common) => {
      const deciding = 1n << BigInt(width - 1 - common)
      const [low, high] = [one & ~deciding, ((one | deciding) & ~(deciding - 1n)) | (noise & (deciding - 1n))]
      return { low: formatAddress({ family, value: low }), high: formatAddress({ family, value: high }) }
    })
  })
  expect(pairs).toHaveLength(160)
  expect(await answerTo('IPAddressPool', { addresses: pairs.map(({ low, high }) => `${low}-${high}`) })).toBe(
    'accepted',
  )
  const reversed = await Promise.all(
    pairs.map(({ low, high }) => answerTo('IPAddressPool', { addresses: [`${high}-${low}`] })),
  )
  for (const [index, answer] of reversed.entries()) {
    expect(answer).toContain(`the first address is above the last; write ${pairs[index]?.low}-${pairs[index]?.high}`)
  }
})

test('the largest objects that the schema admits are not too costly to check', async () => {
  const ranges = Array.from({ length: 256 }, (_, index) => {
    const network = `2001:db8:${index.toString(16)}`
    return `${network}::1-${network}:ffff::2`
  })
  expect(await answerTo('IPAddressPool', { addresses: ranges })).toBe('accepted')
  const values = Array.from({ length: 64 }, (_, index) => `node-${index}`.padEnd(63, 'x'))
  const selectors = Array.from({ length: 64 }, (_, index) => ({
    matchLabels: { app: `web-${index}` },
    matchExpressions: Array.from({ length: 8 }, () => ({ key: 'kubernetes.io/hostname', operator: 'In', values })),
  }))
  expect(await answerTo('L2Advertisement', { nodeSelectors: selectors })).toBe('accepted')
  expect(await answerTo('BGPAdvertisement', { nodeSelectors: selectors })).toBe('accepted')
})

test('a manifest of MetalLB needs nothing but another apiVersion', async () => {
  const peer = {
    myASN: 64512,
    peerASN: 64513,
    peerAddress: '172.30.0.3',
    peerPort: 180,
    holdTime: '1m30s',
    keepaliveTime: '30s',
    passwordSecret: {},
    bfdProfile: 'bfd',
    ebgpMultiHop: true,
    nodeSelectors: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['a', 'b'] }] }],
    disableMP: false,
    dualStackAddressFamily: false,
  }
  expect(await answerTo('BGPPeer', peer)).toBe('accepted')
  const spec = {
    addresses: ['192.168.10.0/24', '192.168.9.1-192.168.9.5', 'fc00:f853:0ccd:e799::/124'],
    avoidBuggyIPs: true,
    avoidConflicts: true,
    serviceAllocation: { priority: 50, namespaces: ['a'], namespaceSelectors: [{ matchLabels: { foo: 'bar' } }] },
  }
  expect(await answerTo('IPAddressPool', spec)).toBe('accepted')
})

test('the manifests of docs/bgp.md are accepted as they stand there', async () => {
  const named = [...snippets('bgp.md')].filter(([, text]) => text.startsWith('apiVersion'))
  const objects = named.flatMap(([name]) => manifests('bgp.md', name))
  expect(objects.length).toBeGreaterThan(5)
  for (const { kind, spec } of objects) expect(await answerTo(kind, spec ?? {})).toBe('accepted')
})

test('kubectl explains fields, down to the last', async () => {
  const explained = await controlPlane.kubectl([
    'explain',
    'ipaddresspools.spec.serviceAllocation.namespaceSelectors.matchExpressions.operator',
  ])
  expect(explained.replaceAll(/\s+/g, ' ')).toContain('How the label is compared: In and NotIn with values')
  const status = await controlPlane.kubectl(['explain', 'ipaddresspools.status.availableIPv6'])
  expect(status).toContain('How many IPv6 addresses can still be assigned.')
})

async function listFuzzed(kind: ConfigKind): Promise<object[]> {
  const path = resourcePath(kind, 'fuzz')
  return (await transport.request<{ items: object[] }>({ method: 'GET', path })).items
}

/** A table of kubectl as rows of cells; columns are apart by two spaces or more. */
async function table(args: readonly string[]): Promise<string[][]> {
  const text = await controlPlane.kubectl(['get', ...args])
  return text
    .trimEnd()
    .split('\n')
    .map(line => line.trim().split(/ {2,}/))
}

async function writeStatus(kind: keyof typeof plurals, name: string, status: object): Promise<string> {
  const path = `${resourcePath(kind, 'default')}/${name}`
  const patched = patchStatus(transport, { path, patch: { status }, fieldManager: 'test' })
  return patched.then(
    () => 'accepted',
    (error: unknown) => String(error),
  )
}

const now = new Date()
const overlapping = {
  type: 'Ready',
  status: 'False',
  reason: 'OverlappingPool',
  message: 'Write each address once.',
} as const

test('kubectl get shows of a pool what is free, and whether and why it is not ready', async () => {
  expect(await create('IPAddressPool', 'office', { addresses: ['192.0.2.0/24', '2001:db8::/64'] })).toBe('accepted')
  const counts = { assigned: '4', assignedIPv4: 3, assignedIPv6: 1, available: '2^64', availableIPv4: 253 }
  const availableIPv6 = Number.MAX_SAFE_INTEGER
  const status = { ...counts, availableIPv6, conditions: setCondition([], overlapping, now) }
  expect(await writeStatus('IPAddressPool', 'office', status)).toBe('accepted')
  expect(await table(['lbpool', 'office'])).toEqual([
    ['NAME', 'ADDRESSES', 'AUTO-ASSIGN', 'ASSIGNED', 'FREE', 'READY', 'REASON', 'AGE'],
    ['office', '["192.0.2.0/24","2001:db8::/64"]', 'true', '4', '2^64', 'False', 'OverlappingPool', expect.any(String)],
  ])
  const wide = await controlPlane.kubectl(['get', 'lbpool', 'office', '-o', 'wide'])
  expect(wide).toMatch(/ 3 +253 +1 +9007199254740991 +Write each address once\. /)
})

test('kubectl get shows of a peer who it is, of an advertisement what it speaks for', async () => {
  expect(await create('BGPPeer', 'router', { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1' })).toBe('accepted')
  const ready = { type: 'Ready', status: 'True', reason: 'Accepted', message: 'In use as written.' } as const
  expect(await writeStatus('BGPPeer', 'router', { conditions: setCondition([], ready, now) })).toBe('accepted')
  expect(await table(['lbpeer', 'router'])).toEqual([
    ['NAME', 'ADDRESS', 'ASN', 'MY-ASN', 'BFD', 'READY', 'REASON', 'AGE'],
    ['router', '192.0.2.1', '64513', '64512', 'True', 'Accepted', expect.any(String)],
  ])
  expect(await create('L2Advertisement', 'lan', { ipAddressPools: ['a', 'b'], interfaces: ['eth0'] })).toBe('accepted')
  expect(await table(['lbl2adv', 'lan'])).toEqual([
    ['NAME', 'POOLS', 'INTERFACES', 'READY', 'REASON', 'AGE'],
    ['lan', '["a","b"]', '["eth0"]', expect.any(String)],
  ])
  const listed = await controlPlane.kubectl(['get', 'berth'])
  expect(listed).toContain('bgppeer.berth.dev/router')
  expect(listed).toContain('l2advertisement.berth.dev/lan')
})

test('server-side apply, as GitOps tools use it, takes selectors', async () => {
  const selectors = [{ matchLabels: { team: 'a' } }, { matchLabels: { team: 'b' } }]
  const spec = { addresses: ['203.0.113.0/24'], serviceAllocation: { namespaceSelectors: selectors } }
  const object = { apiVersion, kind: 'IPAddressPool', metadata: { name: 'gitops', namespace: 'default' }, spec }
  const apply = () => controlPlane.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(object) })
  expect(await apply()).toContain('serverside-applied')
  object.spec.serviceAllocation.namespaceSelectors = selectors.toReversed()
  expect(await apply()).toContain('serverside-applied')
})

test('kubectl get shows which node answers for a Service', async () => {
  const kind = 'ServiceL2Status'
  const path = resourcePath(kind, 'default')
  await transport.request({ method: 'POST', path, body: { apiVersion, kind, metadata: { name: 'l2-web' } } })
  const status = {
    node: 'one',
    serviceName: 'web',
    serviceNamespace: 'shop',
    addresses: ['192.0.2.7', '2001:db8::7'],
    addressList: '192.0.2.7, 2001:db8::7',
    interfaces: [{ name: 'eth0' }, { name: 'eth1' }],
    since: new Date(Date.now() - 3_600_000 * 5).toISOString(),
  }
  expect(await writeStatus(kind, 'l2-web', status)).toBe('accepted')
  expect(await table(['lbl2s', 'l2-web'])).toEqual([
    ['NAME', 'NODE', 'SERVICE-NAMESPACE', 'SERVICE', 'ADDRESSES', 'SINCE'],
    ['l2-web', 'one', 'shop', 'web', '192.0.2.7, 2001:db8::7', '5h'],
  ])
})

test('kubectl get shows how a session is, and to whom a node announces', async () => {
  const fill = async (kind: 'BGPSessionStatus' | 'ServiceBGPStatus', name: string, status: object): Promise<void> => {
    const path = resourcePath(kind, 'default')
    await transport.request({ method: 'POST', path, body: { apiVersion, kind, metadata: { name } } })
    expect(await writeStatus(kind, name, status)).toBe('accepted')
  }
  const since = new Date(Date.now() - 3_600_000 * 5).toISOString()
  const error = { text: 'Cease (6), Administrative Shutdown (2): "maintenance"', at: since }
  await fill('BGPSessionStatus', 'one-tor', {
    node: 'one',
    peer: 'tor',
    remote: 'fe80::1%eth0',
    localAddress: 'fe80::2%eth0',
    state: 'Established',
    since,
    established: 3,
    bfdState: 'Up',
    localASN: 64512,
    peerASN: 4_200_000_000,
    peerRouterID: '192.0.2.1',
    initiator: 'remote',
    holdTimeSeconds: 9,
    keepaliveTimeSeconds: 3,
    addressFamilies: ['IPv4', 'IPv6'],
    capabilities: ['multiprotocol IPv4 unicast', 'route refresh'],
    gracefulRestartSeconds: 120,
    prefixesSent: { ipv4: 17, ipv6: 2, total: 19 },
    prefixesReceived: { ipv4: 1, ipv6: 0, total: 1 },
    updatesWithErrors: 0,
    lastError: `the peer said: ${error.text}`,
    lastErrorSent: error,
    lastErrorReceived: error,
    lastErrorTransport: error,
    bfd: {
      state: 'Up',
      since,
      diagnostic: 'No Diagnostic',
      transmitIntervalMilliseconds: 50,
      detectionTimeMilliseconds: 150,
      remoteState: 'Up',
    },
    problem: '',
    conditions: [],
  })
  const columns = ['NAME', 'NODE', 'PEER', 'REMOTE', 'STATE', 'BFD', 'SENT', 'RECEIVED', 'SINCE']
  const row = ['one-tor', 'one', 'tor', 'fe80::1%eth0', 'Established', 'Up', '19', '1', '5h']
  expect(await table(['lbsession'])).toEqual([columns, row])
  expect(await controlPlane.kubectl(['get', 'lbsession', '-o', 'wide'])).toMatch(/ 3 +the peer said: Cease \(6\)/)
  expect(await writeStatus('BGPSessionStatus', 'one-tor', { state: 'Up' })).toContain('supported values: "Idle"')

  const announced = { node: 'one', serviceName: 'web', serviceNamespace: 'shop', peers: ['tor', 'spine'], since }
  await fill('ServiceBGPStatus', 'bgp-web', { ...announced, peerList: 'tor, spine' })
  expect(await table(['lbbgps'])).toEqual([
    ['NAME', 'NODE', 'SERVICE-NAMESPACE', 'SERVICE', 'PEERS', 'SINCE'],
    ['bgp-web', 'one', 'shop', 'web', 'tor, spine', '5h'],
  ])
})

test('1,000 fuzzed objects: whatever the API server lets through is read without an exception', async () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
  console.info(`FUZZ_SEED=${seed}`)
  const objects = fc.sample(fuzzedObject, { numRuns: 1000, seed })
  await controlPlane.kubectl(['create', 'namespace', 'fuzz'])
  const answers = new Map<ConfigKind, { accepted: number; refused: number }>()
  const send = async ({ kind, spec, labels }: FuzzedObject, index: number): Promise<void> => {
    const count = answers.get(kind) ?? { accepted: 0, refused: 0 }
    answers.set(kind, count)
    try {
      await transport.request({
        method: 'POST',
        path: resourcePath(kind, 'fuzz'),
        query: { fieldValidation: 'Ignore' },
        body: { apiVersion, kind, metadata: { name: `object-${index}`, labels }, spec },
      })
      count.accepted++
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error
      count.refused++
    }
  }
  await Promise.all(objects.map(send))
  for (const [kind, { accepted, refused }] of answers) {
    expect({ kind, accepted: accepted > 5, refused: refused > 5 }).toEqual({ kind, accepted: true, refused: true })
  }

  const resources = {
    ipAddressPools: await listFuzzed('IPAddressPool'),
    l2Advertisements: await listFuzzed('L2Advertisement'),
    bgpAdvertisements: await listFuzzed('BGPAdvertisement'),
    bgpPeers: await listFuzzed('BGPPeer'),
    bfdProfiles: await listFuzzed('BFDProfile'),
    communities: await listFuzzed('Community'),
  }
  const { verdicts, problems } = parseConfig(resources)
  expect(verdicts).toHaveLength([...answers.values()].reduce((sum, { accepted }) => sum + accepted, 0))
  console.info(Object.fromEntries(answers), `${problems.length} problems`)
  // The schema has seen to everything that concerns one object alone.
  expect(problems.filter(problem => problem.reason === 'Invalid')).toEqual([])
})
