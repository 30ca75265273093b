import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, type World } from '../../test/lab/namespace.ts'
import { whoHas } from '../../test/lab/probe.ts'
import { createSegment } from '../../test/lab/segment.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { createTwoHosts, plug, startWireProcess, type TwoHosts, type WireProcess } from '../../test/wire/hosts.ts'
import type { ProbeResult, WireReport } from './messages.ts'

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/wire/prober.net.test.ts is skipped: ${obstacle}\n`)

const ipv4 = '192.0.2.50'
const ipv6 = '2001:db8:0:2::50'
const both = [ipv4, ipv6]

describe.skipIf(obstacle !== undefined)('asking a segment who has an address', () => {
  let world: World
  let hosts: TwoHosts
  let wire: WireProcess
  let probes = 0

  beforeEach(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    wire = await startWireProcess(hosts.node)
    await wire.until('the interfaces are known', reports => reports.some(({ kind }) => kind === 'interfaces'))
  })
  afterEach(async () => await world.end())

  async function ask(addresses: readonly string[], interfaces: readonly string[] | 'all' = 'all', tries = 3) {
    const id = ++probes
    wire.send({
      kind: 'probe',
      id,
      addresses: addresses.map(address => ({ address, interfaces })),
      tries,
      intervalMs: 50,
    })
    return await wire.until<readonly ProbeResult[]>(`probe ${id} is over`, reports => resultsOf(reports, id))
  }

  test('nobody has it: silence, and on which interfaces it was', async () => {
    expect(await ask(both)).toEqual(both.map(address => ({ address, asked: ['eth0'], answers: [] })))
  })

  test.each(both)('a host has %s on an interface, as a kernel in IPVS mode has it', async address => {
    const { client } = hosts
    // Linux answers ARP for what is on any of its interfaces, and Neighbor Solicitations only for what is on this one.
    const device = address === ipv4 ? 'kube-ipvs0' : 'eth0'
    await client.namespace.run(['ip', 'link', 'add', 'kube-ipvs0', 'type', 'veth', 'peer', 'name', 'other'])
    await client.namespace.run(['ip', 'link', 'set', 'kube-ipvs0', 'up'])
    await client.namespace.run(['ip', 'address', 'add', address, 'dev', device])
    const expected = { address, asked: ['eth0'], answers: [{ interface: 'eth0', mac: client.mac }] }
    await expect.poll(async () => await ask([address]), { timeout: 10_000 }).toEqual([expected])
  })

  test('a thousand addresses of which the other end has two', async () => {
    const { client } = hosts
    const held = ['198.51.100.77', '2001:db8:0:2::77']
    for (const address of held) await client.namespace.run(['ip', 'address', 'add', address, 'dev', 'eth0'])
    const many = Array.from({ length: 500 }, (_, index) => [
      `203.0.113.${index % 250}`,
      `2001:db8:0:9::${index}`,
    ]).flat()
    const results = await ask([...many, ...held])
    expect(results.filter(({ answers }) => answers.length > 0).map(({ address }) => address)).toEqual(held)
  })

  test('asks only where it is told to, and nowhere without a carrier', async () => {
    await plug(hosts, 'eth1', '02:00:00:00:00:11', '02:00:00:00:00:12')
    await wire.until('eth1 is known', reports =>
      reports.some(
        report => report.kind === 'interfaces' && report.interfaces.some(one => one.name === 'eth1' && one.carrier),
      ),
    )
    expect((await ask([ipv4], ['eth1']))[0]?.asked).toEqual(['eth1'])
    expect((await ask([ipv4], ['eth7']))[0]?.asked).toEqual([])
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth1', 'down'])
    await wire.until('eth1 has lost its carrier', reports => {
      const last = reports.findLast(report => report.kind === 'interfaces')
      return last?.kind === 'interfaces' && last.interfaces.some(one => one.name === 'eth1' && !one.carrier)
    })
    expect((await ask([ipv4]))[0]?.asked).toEqual(['eth0'])
  })

  test('what this node announces itself is nobody else’s', async () => {
    wire.send({ kind: 'announce', announcements: both.map(address => ({ address, interfaces: 'all' })) })
    await wire.until('announced', reports =>
      both.every(address => reports.some(one => one.kind === 'announced' && one.address === address)),
    )
    for (const { answers } of await ask(both)) expect(answers).toEqual([])
  })

  test.each(both)('a rival for %s that never announced itself is seen as soon as anybody asks', async address => {
    const { node, client } = hosts
    wire.send({ kind: 'announce', announcements: [{ address, interfaces: ['eth1'] }] })
    // A second segment, with the rival and somebody who asks: both hear the question, and only the asker the answers.
    const segment = await createSegment(world)
    const rival = await world.createNamespace()
    const place = { interface: 'eth1', addresses: [] }
    await segment.attach(node.namespace, { ...place, port: 'node', mac: '02:00:00:00:00:11' })
    await segment.attach(client.namespace, { ...place, port: 'client', mac: '02:00:00:00:00:12' })
    await segment.attach(rival, {
      ...place,
      port: 'rival',
      mac: '02:00:00:00:00:13',
      addresses: [`${address}/${address.includes(':') ? 128 : 32}`],
    })
    await client.namespace.run(['ip', 'address', 'add', '198.51.100.9/24', 'dev', 'eth1'])
    await wire.until('announced', reports =>
      reports.some(one => one.kind === 'announced' && one.address === address && one.interfaces.join() === 'eth1'),
    )
    await expect
      .poll(async () => (await whoHas({ ...client, interface: 'eth1' }, address)).toSorted(), { timeout: 10_000 })
      .toEqual(['02:00:00:00:00:11', '02:00:00:00:00:13'])
    await wire.until('the rival is seen', reports =>
      reports.some(one => one.kind === 'seen' && one.address === address && one.mac === '02:00:00:00:00:13'),
    )
  })
})

function resultsOf(reports: readonly WireReport[], id: number): readonly ProbeResult[] | undefined {
  const found = reports.find(report => report.kind === 'probed' && report.id === id)
  return found?.kind === 'probed' ? found.results : undefined
}
