import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { leaseName } from '../controller/program.ts'
import {
  bgpAdvertisement,
  bgpPeer,
  condition,
  controllerLease,
  lists,
  node,
  pool,
  record,
  secondsAgo,
  service,
  session,
  sharedRecord,
  speakerLease,
  world,
} from '../test/cli/world.ts'
import { explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { parseManifests, readManifests } from './manifests.ts'
import { formatOutput } from './output.ts'
import { coloured, paintFor, plain } from './paint.ts'
import { peersText, peerViews } from './peers.ts'
import { type Picture, pictureOf } from './picture.ts'
import { bar, poolsText, poolViews } from './pools.ts'
import { createProgram } from './program.ts'
import { controllerLeaseName, type Lists } from './snapshot.ts'
import { isWell, statusOf } from './status.ts'
import { statusText } from './status-text.ts'
import { table } from './table.ts'
import { validate } from './validate.ts'
import { validationText } from './validate-text.ts'
import { formatSpan } from './words.ts'

const golden = (name: string): string => join(import.meta.dirname, '../test/cli/golden', name)
const pictured = (changed: Partial<Lists> = {}): Picture => pictureOf(world(changed), undefined)
const allocated = condition('berth.dev/Allocated', 'True', 'Allocated', '192.0.2.0 from pool "public".')
const announced = condition(
  'berth.dev/Announced',
  'True',
  'Announced',
  'layer 2: announcing 192.0.2.0 from node node-1',
)
const web = service('web', { ingress: ['192.0.2.0'], conditions: [allocated, announced] })
const claimed = { layer2Records: [record('web', 'node-1', '192.0.2.0', { because: 'ownerGone', from: 'node-3' })] }
const byBgp = { bgpPeers: [bgpPeer], bgpAdvertisements: [bgpAdvertisement] }

describe('explain', () => {
  const explained = (changed: Partial<Lists>): string => {
    const picture = pictured(changed)
    const found = picture.snapshot.services.get('shop/web')
    if (!found) throw new Error('no shop/web')
    return explanationText(explainService(picture, found), plain)
  }

  test('a Service that both ways announce', async () => {
    const sessionRecords = [
      session('node-1', 'r1'),
      session('node-2', 'r1', { state: 'Active', problem: 'the router said: Cease' }),
    ]
    const nodes = [
      node('node-1'),
      node('node-2'),
      node('node-3', { 'node.kubernetes.io/exclude-from-external-load-balancers': '' }),
    ]
    const text = explained({ services: [web], nodes, ...claimed, ...byBgp, sessionRecords })
    await expect(text).toMatchFileSnapshot(golden('explain.txt'))
  })

  test('names the node that would take over, and none where there is none', () => {
    const nodes = [node('node-1'), node('node-2')]
    const leases = [speakerLease('node-1'), speakerLease('node-2')]
    expect(explained({ services: [web], ...claimed, nodes, leases })).toContain(
      'If that node were lost, node-2 would take it.',
    )
    const alone = { nodes: nodes.slice(0, 1), leases: leases.slice(0, 1) }
    expect(explained({ services: [web], ...claimed, ...alone })).toContain(
      'If that node were lost, nobody could announce it.',
    )
  })

  test('says where it is about to move', () => {
    const leases = [speakerLease('node-1', {}, secondsAgo(30)), speakerLease('node-2')]
    expect(explained({ services: [web], ...claimed, leases }).replace(/\s+/g, ' ')).toContain(
      'it is about to move to node node-2 (the node that has it can no longer announce it)',
    )
  })
})

describe('status', () => {
  test('a cluster that is well', async () => {
    const status = statusOf(pictured({ services: [web], ...claimed }))
    expect(isWell(status)).toBe(true)
    await expect(statusText(status, plain, { wide: false })).toMatchFileSnapshot(golden('status-well.txt'))
  })

  test('a cluster in which everything is wrong', async () => {
    const silent = condition('berth.dev/Announced', 'False', 'NoUsableEndpoints', 'none of its endpoints is ready')
    const status = statusOf(
      pictured({
        services: [service('web', { ingress: ['192.0.2.0'], conditions: [allocated, silent] }), service('late')],
        ipAddressPools: [pool('public', ['192.0.2.0/32']), pool('bad', ['192.0.2.0/33'])],
        leases: [controllerLease(secondsAgo(90)), speakerLease('node-1'), speakerLease('node-2', {}, secondsAgo(60))],
        ...byBgp,
        sessionRecords: [session('node-1', 'r1', { state: 'Active', problem: 'connection refused', bfdState: 'Down' })],
      }),
    )
    expect(isWell(status)).toBe(false)
    await expect(statusText(status, plain, { wide: false })).toMatchFileSnapshot(golden('status-trouble.txt'))
  })

  test('a Service whose clients several nodes share counts with each of them', () => {
    const layer2Records = [sharedRecord('web', 'node-3', '192.0.2.0', ['node-1', 'node-3'])]
    const { speakers } = statusOf(pictured({ services: [web], layer2Records }))
    expect(speakers.map(({ node, services }) => [node, services])).toEqual([
      ['node-1', 1],
      ['node-2', 0],
      ['node-3', 1],
    ])
  })

  test('where BGP alone is asked for, layer 2 is not to blame for what no speaker has said yet', () => {
    const asked = { services: [service('web', { ingress: ['192.0.2.0'] })], l2Advertisements: [], ...byBgp }
    const troubleIn = (changed: Partial<Lists>) => statusOf(pictured({ ...asked, ...changed })).troubled
    expect(troubleIn({ leases: [controllerLease()] })).toMatchObject([
      { service: 'shop/web', reason: 'NoEligibleNode', message: expect.stringContaining('no speaker runs there') },
    ])
    expect(troubleIn({})).toMatchObject([{ reason: 'NoEstablishedSession' }])
    expect(troubleIn({ sessionRecords: [session('node-1', 'r1')] })).toMatchObject([{ reason: 'NotWrittenYet' }])
    expect(troubleIn({ bgpAdvertisements: [] })).toMatchObject([{ reason: 'NoAdvertisement' }])
  })

  test('five thousand Services that wait are a few and a number', () => {
    const services = Array.from({ length: 5_000 }, (_, index) => service(`s${index}`))
    const text = statusText(statusOf(pictured({ services, ipAddressPools: [] })), plain, { wide: false })
    expect(text).toContain('and 4985 more; -o wide shows all')
    expect(text.split('\n').length).toBeLessThan(80)
  })

  test('looks for the Lease that the controller holds', () => expect(controllerLeaseName).toBe(leaseName))
})

test('pools: a bar for each family, and what is set aside', async () => {
  const ipAddressPools = [pool('public', ['192.0.2.0/30', '2001:db8::/64']), pool('bad', ['192.0.2.0/33'])]
  const pools = poolViews(pictured({ services: [web], ipAddressPools }))
  await expect(poolsText(pools, plain, { wide: true })).toMatchFileSnapshot(golden('pools.txt'))
  expect(formatOutput(pools, 'json', () => '')).toContain('"size": "18446744073709551616"')
})

test('pools: what other stations have is neither in use nor free', () => {
  const conflict = {
    address: '192.0.2.1',
    macAddress: '02:00:00:00:00:66',
    interface: 'eth0',
    lastSeen: secondsAgo(60),
  }
  const ipAddressPools = [
    { ...pool('public', ['192.0.2.0/30'], { avoidConflicts: true }), status: { conflicts: [conflict] } },
  ]
  const [line] = poolsText(poolViews(pictured({ services: [web], ipAddressPools })), plain, { wide: false })
    .split('\n')
    .slice(1)
  expect(line).toMatch(/1 of 4 +2 \(1 elsewhere\)/)
  // Long ago: it may be tried again.
  const old = [{ ...ipAddressPools[0], status: { conflicts: [{ ...conflict, lastSeen: secondsAgo(600) }] } }]
  expect(poolsText(poolViews(pictured({ services: [web], ipAddressPools: old })), plain, { wide: false })).toMatch(
    /1 of 4 +3 /,
  )
})

test('a bar shows the first address and the last free one', () => {
  expect(bar(0n, 65_536n, plain)).toBe(`${'░'.repeat(20)}    0%`)
  expect(bar(1n, 65_536n, plain)).toBe(`█${'░'.repeat(19)}   <1%`)
  expect(bar(65_535n, 65_536n, plain)).toBe(`${'█'.repeat(19)}░  >99%`)
  expect(bar(4n, 4n, plain)).toBe(`${'█'.repeat(20)}  100%`)
})

test('peers: sessions that stand, that do not, and of which nobody has said anything', async () => {
  const sessionRecords = [
    session('node-1', 'r1', { bfdState: 'Up' }),
    session('node-2', 'r1', { state: 'Active', bfdState: 'Down', problem: undefined, lastError: 'connection refused' }),
  ]
  const peers = peerViews(pictured({ ...byBgp, sessionRecords }))
  const text = peersText(peers, Date.parse(secondsAgo(0)), plain, { wide: true })
  await expect(text).toMatchFileSnapshot(golden('peers.txt'))
})

describe('validate', () => {
  // Relative, so that lines are folded at the same places wherever the project lies.
  const root = relative(process.cwd(), join(import.meta.dirname, '../test/cli/manifests'))
  const validated = async (folder: string) => {
    const { files, manifests, unreadable } = await readManifests([join(root, folder)])
    return validate(manifests, unreadable, { namespace: 'berth-system', files })
  }

  test('manifests that are good', async () => {
    expect(await validated('good')).toMatchObject({ files: 2, checked: 5, passedOver: 1, problems: [] })
  })

  test('manifests that are bad, each with its place', async () => {
    const text = validationText(await validated('bad'), plain).replaceAll(`${root}/`, '')
    await expect(text).toMatchFileSnapshot(golden('validate.txt'))
  })

  test('what is no YAML is told with its line, and the rest of the file is read', () => {
    const text = 'kind: A\n---\nmetadata: { name: broken\nspec: 1\n---\nkind: B\n'
    const { manifests, unreadable } = parseManifests('a.yaml', text)
    expect(unreadable).toMatchObject([{ file: 'a.yaml', line: 4, reason: 'NotYAML' }])
    expect(manifests.map(({ line }) => line)).toContain(1)
  })

  test('what MetalLB’s users copy is told apart from what does not exist', () => {
    const { manifests } = parseManifests(
      'a.yaml',
      'apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: { name: a }\n',
    )
    const { problems } = validate(manifests, [], { namespace: 'berth-system', files: 1 })
    expect(problems.map(({ reason }) => reason)).toEqual(['OtherGroup'])
  })
})

test('colours only on a terminal that wants them, and tables stay straight with them', () => {
  expect(paintFor(true, {})).toBe(coloured)
  for (const environment of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) expect(paintFor(true, environment)).toBe(plain)
  expect(paintFor(false, {})).toBe(plain)
  const rows = [
    [coloured.good('a'), 'x'],
    ['abc', ''],
  ]
  // oxlint-disable-next-line no-control-regex
  expect(table(['n', 'm'], rows).replace(/\u001b\[\d+m/g, '')).toBe('N     M\na     x\nabc   -\n')
})

test('spans in their largest unit', () => {
  const spans = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(seconds => formatSpan(seconds * 1000))
  expect(spans).toEqual(['0s', '119s', '2m', '119m', '2h', '47h', '2d'])
})

describe('the program', () => {
  const run = async (...args: readonly string[]) => {
    let out = ''
    const program = createProgram({
      write: text => void (out += text),
      complain: text => void (out += text),
      setExitCode: () => {},
      environment: {},
      paint: plain,
    })
    for (const command of [program, ...program.commands]) command.exitOverride()
    await program.parseAsync([...args], { from: 'user' }).catch((error: unknown) => void (out += String(error)))
    return out
  }

  test('helps with examples for every command', async () => {
    for (const command of [
      'status',
      'explain',
      'pools',
      'peers',
      'validate',
      'preview',
      'doctor',
      'migrate',
      'completion',
    ]) {
      expect(await run(command, '--help')).toMatch(/Examples:\n {2}(kubectl|source)/)
    }
  })

  test('says its version', async () => {
    expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+\n/)
  })

  test('completes every command in every shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'kubectl']) {
      const script = await run('completion', shell)
      for (const word of ['status', 'explain', 'service', 'pools', 'peers', 'validate', 'preview', 'doctor', 'migrate'])
        expect(script).toContain(word)
    }
    expect(await run('completion', 'csh')).toContain('Allowed choices are bash, zsh, fish, kubectl')
  })
})

test('every list of the snapshot has a path', () => {
  const reader = readFileSync(join(import.meta.dirname, 'read.ts'), 'utf8')
  for (const kind of Object.keys(lists())) expect(reader).toContain(`${kind}: `)
})
