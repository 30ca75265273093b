import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, type World } from '../../test/lab/namespace.ts'
import { whoHas } from '../../test/lab/probe.ts'
import { createSegment } from '../../test/lab/segment.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { createTwoHosts, startWireProcess, type TwoHosts, type WireProcess } from '../../test/wire/hosts.ts'
import type { Caution } from '../layer2/takeover.ts'
import type { WireReport } from './messages.ts'

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/wire/holdings.net.test.ts is skipped: ${obstacle}\n`)

const ipv4 = '192.0.2.50'
const ipv6 = '2001:db8:0:2::50'
const both = [ipv4, ipv6]
const first: Caution = { kind: 'ask', owner: undefined }

describe.skipIf(obstacle !== undefined)('an address that is asked for before it is announced', () => {
  let world: World
  let hosts: TwoHosts
  let wire: WireProcess

  beforeEach(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    wire = await startWireProcess(hosts.node)
    await wire.until('the interfaces are known', reports => reports.some(({ kind }) => kind === 'interfaces'))
  })
  afterEach(async () => await world.end())

  function announce(
    addresses: readonly string[],
    caution: Caution = first,
    interfaces: readonly string[] | 'all' = 'all',
  ) {
    wire.send({ kind: 'announce', announcements: addresses.map(address => ({ address, interfaces })), caution })
  }

  async function announcedOn(address: string, places: string) {
    await wire.until(`${address} announced on ${places}`, reports =>
      reports.some(one => one.kind === 'announced' && one.address === address && one.interfaces.join() === places),
    )
  }

  /** Waits for the segment's word on an address. */
  async function contested(address: string) {
    const found = await wire.until(`${address} is contested`, reports =>
      reports.findLast(one => one.kind === 'contested' && one.address === address),
    )
    return found.kind === 'contested' ? found.finding : undefined
  }

  test('nobody has it: it is announced', async () => {
    announce(both)
    for (const address of both) await announcedOn(address, 'eth0')
    expect(wire.reports.filter(({ kind }) => kind === 'contested')).toEqual([])
    for (const address of both) expect(await whoHas(hosts.client, address)).toEqual([hosts.node.mac])
  })

  test.each(both)('a host has %s on an interface, as a kernel in IPVS mode has it: left alone', async address => {
    const { client } = hosts
    // Linux answers ARP for what is on any of its interfaces, and Neighbor Solicitations only for what is on this one.
    const device = address === ipv4 ? 'kube-ipvs0' : 'eth0'
    await client.namespace.run(['ip', 'link', 'add', 'kube-ipvs0', 'type', 'veth', 'peer', 'name', 'other'])
    await client.namespace.run(['ip', 'link', 'set', 'kube-ipvs0', 'up'])
    await client.namespace.run(['ip', 'address', 'add', address, 'dev', device, ...(address === ipv6 ? ['nodad'] : [])])
    announce([address])
    expect(await contested(address)).toEqual({ kind: 'answered', interface: 'eth0', mac: client.mac })
    expect(wire.reports.filter(({ kind }) => kind === 'announced')).toEqual([])
  })

  test.each(both)(
    'the owner of %s still answers: waited for until it stops, and then taken over at once',
    async address => {
      const { client } = hosts
      await client.namespace.run([
        'ip',
        'address',
        'add',
        address,
        'dev',
        'eth0',
        ...(address === ipv6 ? ['nodad'] : []),
      ])
      wire.send({ kind: 'knowledge', stations: [[client.mac, 'node-2']] })
      announce([address], { kind: 'ask', owner: 'node-2' })
      expect(await contested(address)).toMatchObject({ kind: 'answered', mac: client.mac })
      await client.namespace.run(['ip', 'address', 'flush', 'to', address, 'dev', 'eth0'])
      await announcedOn(address, 'eth0')
    },
  )

  test('five hundred addresses at once, of which the other end has two', async () => {
    const { client } = hosts
    const held = ['203.0.113.77', '2001:db8:0:9::77']
    for (const address of held)
      await client.namespace.run([
        'ip',
        'address',
        'add',
        address,
        'dev',
        'eth0',
        ...(address.includes(':') ? ['nodad'] : []),
      ])
    const many = Array.from({ length: 250 }, (_, index) => [`203.0.113.${index}`, `2001:db8:0:9::${index}`]).flat()
    announce(many)
    for (const address of held) expect(await contested(address)).toMatchObject({ mac: client.mac })
    const announced = (reports: readonly WireReport[]) =>
      new Set(reports.flatMap(one => (one.kind === 'announced' ? [one.address] : [])))
    await wire.until('all others are announced', reports => announced(reports).size === many.length - held.length)
    for (const address of held) expect(announced(wire.reports)).not.toContain(address)
  })

  test('without a carrier nobody can be asked; with one it goes on by itself', async () => {
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
    await wire.until('the carrier is lost', reports =>
      reports.some(
        one => one.kind === 'interfaces' && one.interfaces.some(({ name, carrier }) => name === 'eth0' && !carrier),
      ),
    )
    announce([ipv4])
    expect(await contested(ipv4)).toEqual({ kind: 'noLink' })
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    await announcedOn(ipv4, 'eth0')
  })

  test('what is handed over is announced at once, though its owner still answers', async () => {
    await hosts.client.namespace.run(['ip', 'address', 'add', ipv4, 'dev', 'eth0'])
    announce([ipv4], { kind: 'none' })
    await announcedOn(ipv4, 'eth0')
    expect(wire.reports.filter(({ kind }) => kind === 'contested')).toEqual([])
  })

  test.each(both)('a rival for %s that never announced itself is seen as soon as anybody asks', async address => {
    const { node, client } = hosts
    announce([address], { kind: 'none' }, ['eth1'])
    // A second segment, with the rival and somebody who asks: both hear the question, and only the asker the answers.
    const segment = await createSegment(world)
    const rival = await world.createNamespace()
    const place = { interface: 'eth1', addresses: [] }
    await segment.attach(node.namespace, { ...place, port: 'node', mac: '02:00:00:00:00:11' })
    await segment.attach(client.namespace, { ...place, port: 'client', mac: '02:00:00:00:00:12' })
    await client.namespace.run(['ip', 'address', 'add', '198.51.100.9/24', 'dev', 'eth1'])
    await wire.until('announced', reports =>
      reports.some(one => one.kind === 'announced' && one.address === address && one.interfaces.join() === 'eth1'),
    )
    // Not before: with the cable in, the segment is asked whether somebody has it.
    await segment.attach(rival, {
      ...place,
      port: 'rival',
      mac: '02:00:00:00:00:13',
      addresses: [`${address}/${address.includes(':') ? 128 : 32}`],
    })
    await expect
      .poll(async () => (await whoHas({ ...client, interface: 'eth1' }, address)).toSorted(), { timeout: 10_000 })
      .toEqual(['02:00:00:00:00:11', '02:00:00:00:00:13'])
    await wire.until('the rival is seen', reports =>
      reports.some(one => one.kind === 'seen' && one.address === address && one.mac === '02:00:00:00:00:13'),
    )
  })
})
