import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Capture, type Sighting, startCapture } from '../../test/lab/capture.ts'
import { createWorld, type World } from '../../test/lab/namespace.ts'
import type { LabHost } from '../../test/lab/node.ts'
import { forgetNeighbours, neighbourOf, whoHas } from '../../test/lab/probe.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { requestFrame } from '../../test/wire/frames.ts'
import { createTwoHosts, plug, startWireProcess, type TwoHosts, type WireProcess } from '../../test/wire/hosts.ts'
import type { WireCounter, WireReport } from './messages.ts'
import { takeOverRepeats } from './repeats.ts'

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/wire/wire.net.test.ts is skipped: ${obstacle}\n`)

const ipv4 = '192.0.2.50'
const ipv6 = '2001:db8:0:2::50'
const both = [ipv4, ipv6]
const soon = { timeout: 10_000, interval: 50 }

describe.skipIf(obstacle !== undefined)('wire, on a real segment', () => {
  let world: World
  let hosts: TwoHosts
  let node: LabHost
  let client: LabHost
  let wire: WireProcess

  beforeEach(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    ;({ node, client } = hosts)
    wire = await startWireProcess(node)
  })
  afterEach(async () => await world.end())

  /** Announces and waits until it is known on exactly these interfaces. */
  async function announce(addresses: readonly string[], on: readonly string[] | 'all' = 'all', places = ['eth0']) {
    wire.send({ kind: 'announce', announcements: addresses.map(address => ({ address, interfaces: on })) })
    await announcedOn(addresses, places)
  }

  async function announcedOn(addresses: readonly string[], places: readonly string[]) {
    await wire.until(`${addresses.join(' and ')} announced on ${places.join(' and ') || 'nothing'}`, reports =>
      addresses.every(address => lastAnnounced(reports, address)?.join() === places.join()),
    )
  }

  test('says what interfaces there are, and what they are good for', async () => {
    expect(interfacesIn(wire.reports)).toMatchObject([
      {
        name: 'eth0',
        mac: node.mac,
        up: true,
        carrier: true,
        mtu: 1_500,
        layer2: true,
        addresses: expect.arrayContaining([{ address: node.ipv4, prefixLength: 24 }]),
      },
    ])
  })

  test('says of an interface that is excluded by name which addresses a router may know us by', async () => {
    const excluded = async (what: string, isExpected: (text: string) => boolean) =>
      await wire.until(what, reports => {
        const found = reports.findLast(({ kind }) => kind === 'excluded')
        const list = found?.kind === 'excluded' ? found.interfaces : []
        return isExpected(list.map(one => `${one.name} ${JSON.stringify(one.addresses)}`).join())
      })
    await node.namespace.run(['ip', 'addr', 'add', '198.51.100.7/32', 'dev', 'lo'])
    await excluded('IPv4', text => /^lo .*198\.51\.100\.7/.test(text))
    await node.namespace.run(['ip', 'addr', 'add', '2001:db8:7::1/128', 'dev', 'lo'])
    await excluded('both', text => /198\.51\.100\.7.*2001:db8:7::1/.test(text))
    for (const address of ['198.51.100.7/32', '2001:db8:7::1/128']) {
      await node.namespace.run(['ip', 'addr', 'del', address, 'dev', 'lo'])
    }
    await excluded('nothing', text => text === '')
    expect(interfacesIn(wire.reports)).toMatchObject([{ name: 'eth0' }])
  })

  test.each(both)(
    'nobody answers for %s before it is announced, the node then, nobody after it is withdrawn',
    async address => {
      expect(await whoHas(client, address)).toEqual([])
      await announce([address])
      expect(await whoHas(client, address)).toEqual([node.mac])
      wire.send({ kind: 'withdraw', addresses: [address] })
      await expect.poll(() => whoHas(client, address), soon).toEqual([])
    },
  )

  test.each(both)('the client’s kernel resolves %s, and checks it by unicast when in doubt', async address => {
    await announce([address])
    await talkTo(client, address)
    await expect.poll(() => neighbourOf(client, address), soon).toBe(node.mac)
    // PROBE: only the neighbour itself is asked, three times a second apart; unanswered, the entry fails.
    await client.namespace.run(['ip', 'neigh', 'change', address, 'lladdr', node.mac, 'nud', 'probe', 'dev', 'eth0'])
    await expect.poll(() => stateOf(client, address), soon).toBe('REACHABLE')
  })

  test.each(both)('an entry that points elsewhere is corrected when %s is taken over', async address => {
    await client.namespace.run([
      'ip',
      'neigh',
      'add',
      address,
      'lladdr',
      '02:00:00:00:00:99',
      'nud',
      'stale',
      'dev',
      'eth0',
    ])
    await announce([address])
    await expect.poll(() => neighbourOf(client, address), soon).toBe(node.mac)
  })

  test('a probe for the IPv4 address is answered (RFC 5227)', async () => {
    await announce([ipv4])
    const { code, stdout } = await client.exec(['arping', '-D', '-c', '1', '-w', '2', '-I', 'eth0', ipv4])
    expect(stdout).toContain('Received 1 response')
    expect(code).toBe(1)
  })

  test('a host that wants the IPv6 address finds it taken (RFC 4862)', async () => {
    await announce([ipv6])
    await client.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.accept_dad=1'])
    await client.namespace.run(['ip', 'addr', 'add', `${ipv6}/64`, 'dev', 'eth0'])
    const failed = async () => await client.namespace.run(['ip', '-6', 'addr', 'show', 'dev', 'eth0', 'dadfailed'])
    await expect.poll(failed, soon).toContain(ipv6)
  })

  test('the groups of announced addresses are joined, each as long as one of its addresses is announced', async () => {
    const [one, sameGroup, other] = [ipv6, '2001:db8:0:2:7::50', '2001:db8:0:2::51']
    await announce([one, sameGroup, other])
    expect(await groupsOf(node)).toContain('ff02::1:ff00:50')
    expect(await groupsOf(node)).toContain('ff02::1:ff00:51')
    wire.send({ kind: 'withdraw', addresses: [one, other] })
    await expect.poll(() => groupsOf(node), soon).not.toContain('ff02::1:ff00:51')
    expect(await groupsOf(node)).toContain('ff02::1:ff00:50')
    wire.send({ kind: 'withdraw', addresses: [sameGroup] })
    await expect.poll(() => groupsOf(node), soon).not.toContain('ff02::1:ff00:50')
  })

  test('a take-over is made known at once, some times more within five seconds, and in every form', async () => {
    await using capture = await startCapture(client)
    const startMs = Date.now()
    await announce(both)
    await delay(5_000)
    const arp = gratuitousFor(capture, ipv4)
    const ndp = gratuitousFor(capture, '2001:0db8:0000:0002:0000:0000:0000:0050')
    expect(arp.map(({ kind }) => kind)).toEqual(
      Array.from({ length: takeOverRepeats }, () => ['arp-request', 'arp-reply']).flat(),
    )
    expect(ndp.map(({ kind }) => kind)).toEqual(Array(takeOverRepeats).fill('neighbor-advertisement'))
    for (const list of [arp, ndp]) {
      expect((list[0]?.atMs ?? 0) - startMs).toBeLessThan(500)
      expect((list.at(-1)?.atMs ?? 0) - startMs).toBeGreaterThan(3_500)
      expect(new Set(list.map(({ sourceMac }) => sourceMac))).toEqual(new Set([node.mac]))
    }
    expect(new Set(arp.map(({ destinationMac }) => destinationMac))).toEqual(new Set(['ff:ff:ff:ff:ff:ff']))
    expect(new Set(ndp.map(({ destinationMac }) => destinationMac))).toEqual(new Set(['33:33:00:00:00:01']))
  })

  test.each(both)(
    'a frame of a foreign VLAN that asks for %s is not answered, one with a priority tag is',
    async address => {
      await announce([address])
      const counted = (): number => counterOf(wire.reports, address)?.requestsReceived ?? 0
      await sendFrames(client, [requestFrame(address, client, 20)])
      await sendFrames(client, [requestFrame(address, client, 0)])
      await sendFrames(client, [requestFrame(address, client)])
      await wire.until('the two that are for us counted', () => counted() >= 2)
      expect(counted()).toBe(2)
    },
  )

  test('what is malformed is counted and not answered', async () => {
    await announce([ipv6])
    const frame = requestFrame(ipv6, client)
    const wrongChecksum = `${frame.slice(0, -2)}ff`
    await sendFrames(client, [wrongChecksum])
    await wire.until('counted', reports =>
      countersIn(reports).some(
        counter => counter.kind === 'interface' && counter.protocol === 'NDP' && counter.malformed === 1,
      ),
    )
    expect(counterOf(wire.reports, ipv6)?.requestsReceived).toBe(0)
  })

  test('the selected interfaces only', async () => {
    // What ndisc6 hears on one interface it takes for an answer on the other: the MACs tell them apart.
    const [first, second] = [node.mac, '02:00:00:00:01:01']
    await plug(hosts, 'eth1', second, '02:00:00:00:01:02')
    await announce(both, ['eth1'], ['eth1'])
    for (const address of both) {
      expect(await whoHas(client, address)).not.toContain(first)
      expect(await whoHas({ ...client, interface: 'eth1' }, address)).toContain(second)
    }
    await announce(both, ['eth0', 'eth7'], ['eth0'])
    for (const address of both) {
      expect(await whoHas(client, address)).toContain(first)
      expect(await whoHas({ ...client, interface: 'eth1' }, address)).not.toContain(second)
    }
    await announce(both, ['eth7'], [])
    for (const address of both) expect(await whoHas(client, address)).toEqual([])
  })

  test('an interface that comes later is announced on as soon as it is up', async () => {
    await announce(both)
    await plug(hosts, 'eth1', '02:00:00:00:01:01', '02:00:00:00:01:02')
    await announcedOn(both, ['eth0', 'eth1'])
    for (const address of both) {
      expect(await whoHas({ ...client, interface: 'eth1' }, address)).toContain('02:00:00:00:01:01')
    }
    await node.namespace.run(['ip', 'link', 'del', 'eth1'])
    await announcedOn(both, ['eth0'])
    for (const address of both) expect(await whoHas(client, address)).toEqual([node.mac])
  })

  test('down and up again: withdrawn, then made known anew', async () => {
    await announce(both)
    await node.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
    await announcedOn(both, [])
    await using capture = await startCapture(client)
    await node.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    await announcedOn(both, ['eth0'])
    await expect.poll(() => gratuitousFor(capture, ipv4).length, soon).toBeGreaterThan(0)
    for (const address of both) expect(await whoHas(client, address)).toEqual([node.mac])
  })

  test('a cable that is pulled and plugged in: made known anew', async () => {
    await announce(both)
    await wire.until(
      'all repeats are over',
      reports => counterOf(reports, ipv4)?.gratuitousSent === 2 * takeOverRepeats,
    )
    await client.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
    await wire.until('carrier lost', reports => interfacesIn(reports)[0]?.carrier === false)
    await client.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    await using capture = await startCapture(client)
    await expect.poll(() => gratuitousFor(capture, ipv4).length, soon).toBeGreaterThan(0)
    await expect.poll(() => whoHas(client, ipv4), soon).toEqual([node.mac])
  })

  test('an interface that becomes a port of a bridge leaves the announcing to the bridge', async () => {
    await announce(both)
    await node.namespace.run(['ip', 'link', 'add', 'lan', 'type', 'bridge'])
    await node.namespace.run(['ip', 'link', 'set', 'lan', 'address', '02:00:00:00:02:01', 'up'])
    await node.namespace.run(['ip', 'link', 'set', 'eth0', 'master', 'lan'])
    await announcedOn(both, ['lan'])
    for (const address of both) {
      await expect.poll(() => whoHas(client, address), soon).toEqual(['02:00:00:00:02:01'])
    }
  })

  test('a new MAC is told to all', async () => {
    await announce(both)
    await node.namespace.run(['ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77'])
    await wire.until('new MAC', reports => interfacesIn(reports)[0]?.mac === '02:00:00:00:00:77')
    for (const address of both) {
      await expect.poll(() => whoHas(client, address), soon).toEqual(['02:00:00:00:00:77'])
    }
  })

  test('another speaker that takes the addresses over is seen at once', async () => {
    await announce(both)
    const other = await startWireProcess(client)
    other.send({ kind: 'announce', announcements: both.map(address => ({ address, interfaces: 'all' as const })) })
    for (const address of both) {
      const seen = await wire.until('seen', reports =>
        reports.find(report => report.kind === 'seen' && report.address === address),
      )
      expect(seen).toEqual({ kind: 'seen', address, interface: 'eth0', mac: client.mac })
    }
  })

  test('a host that has the same address configured is seen when it says so', async () => {
    await announce([ipv4])
    await client.exec(['arping', '-A', '-c', '1', '-w', '1', '-s', ipv4, '-I', 'eth0', ipv4])
    await client.namespace.run(['ip', 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0'])
    await client.exec(['arping', '-A', '-c', '1', '-w', '1', '-I', 'eth0', ipv4])
    const seen = await wire.until('seen', reports => reports.find(({ kind }) => kind === 'seen'))
    expect(seen).toEqual({ kind: 'seen', address: ipv4, interface: 'eth0', mac: client.mac })
  })

  test('a main thread that is busy for two seconds delays no answer', async () => {
    await announce(both)
    const blocked = wire.block(2_000)
    const rounds: number[] = []
    const startMs = performance.now()
    while (performance.now() - startMs < 1_500) {
      const { stdout } = await client.exec(['arping', '-c', '1', '-w', '1', '-I', 'eth0', ipv4])
      rounds.push(Number(/ ([\d.]+)ms/.exec(stdout)?.[1] ?? Number.POSITIVE_INFINITY))
      expect((await client.exec(['ndisc6', '-1', '-r', '1', '-w', '200', ipv6, 'eth0'])).code).toBe(0)
    }
    expect(rounds.length).toBeGreaterThan(2)
    expect(Math.max(...rounds)).toBeLessThan(200)
    await blocked
  })

  test('three thousand addresses at once: all known within seconds, more groups than one socket holds', async () => {
    const many = Array.from({ length: 3_000 }, (_, index) => `2001:db8:0:2:1::${(index + 0x1000).toString(16)}`)
    await using capture = await startCapture(client)
    const startMs = performance.now()
    wire.send({ kind: 'announce', announcements: many.map(address => ({ address, interfaces: 'all' })) })
    await wire.until('all announced', reports => reports.length > 3_000)
    expect(wire.reports.filter(({ kind }) => kind === 'announced')).toHaveLength(3_000)
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(wire.reports.filter(({ kind }) => kind === 'problem')).toEqual([])
    for (const address of [many[0], many[2_400], many[2_999]]) {
      expect(await whoHas(client, address ?? '')).toEqual([node.mac])
    }
    const perMs = Map.groupBy(capture.sightings, ({ atMs }) => Math.floor(atMs / 10))
    expect(Math.max(...Array.from(perMs.values(), list => list.length))).toBeLessThan(11 * 32)
  })

  test('a kernel with little memory for sockets: coarser filters and more sockets, the same answers', async () => {
    const { code } = await node.exec(['sysctl', '-q', 'net.core.optmem_max=3000'])
    expect(code).toBe(0)
    const scattered = Array.from({ length: 100 }, (_, index) => [
      `192.0.3.${2 * index}`,
      `2001:db8:0:2::9:${2 * index}`,
    ])
    await announce(scattered.flat())
    expect(wire.reports.filter(({ kind }) => kind === 'problem')).toEqual([])
    for (const address of [scattered[0], scattered[99]].flat())
      expect(await whoHas(client, address ?? '')).toEqual([node.mac])
  })

  test('a node whose own IPv6 is switched off answers for IPv6 addresses all the same', async () => {
    await node.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.disable_ipv6=1'])
    await announce(both)
    for (const address of both) expect(await whoHas(client, address)).toEqual([node.mac])
    expect(wire.reports.filter(({ kind }) => kind === 'problem')).toEqual([])
  })

  test('a busy segment costs nothing: the kernel drops what is not about an announced address', async () => {
    await announce(both)
    await wire.until(
      'all repeats are over',
      reports => counterOf(reports, ipv4)?.gratuitousSent === 2 * takeOverRepeats,
    )
    const before = await cpuMs(wire)
    await sendFrames(client, [requestFrame('192.0.2.51', client), requestFrame('2001:db8:0:2::51', client)], 20_000)
    await sendFrames(client, [requestFrame(ipv4, client)])
    await wire.until(
      'the one request behind the flood',
      reports => (counterOf(reports, ipv4)?.requestsReceived ?? 0) >= 1,
    )
    expect(countersIn(wire.reports).filter(({ kind }) => kind === 'interface')).toEqual([])
    expect((await cpuMs(wire)) - before).toBeLessThan(200)
  })

  test('the death of the thread is told', async () => {
    // Nothing that main says can do this; a bug could.
    wire.send({ kind: 'announce', announcements: undefined as never })
    await wire.until('told', () => wire.exits.length > 0)
    expect(wire.exits).toEqual(['announcements is not iterable'])
  })

  test('a stop closes everything and ends the thread', async () => {
    await announce(both)
    await wire.stop()
    expect(wire.exits).toEqual([])
    expect(wire.child.exitCode).toBe(0)
    await forgetNeighbours(client)
    for (const address of both) expect(await whoHas(client, address)).toEqual([])
  })
})

function lastAnnounced(reports: readonly WireReport[], address: string): readonly string[] | undefined {
  const found = reports.findLast(report => report.kind === 'announced' && report.address === address)
  return found?.kind === 'announced' ? found.interfaces : undefined
}

function interfacesIn(reports: readonly WireReport[]) {
  const found = reports.findLast(({ kind }) => kind === 'interfaces')
  return found?.kind === 'interfaces' ? found.interfaces : []
}

function countersIn(reports: readonly WireReport[]): readonly WireCounter[] {
  return reports.flatMap(report => (report.kind === 'counters' ? report.counters : []))
}

function counterOf(reports: readonly WireReport[], address: string) {
  const found = countersIn(reports).findLast(counter => counter.kind === 'address' && counter.address === address)
  return found?.kind === 'address' ? found : undefined
}

function gratuitousFor(capture: Capture, address: string): readonly Sighting[] {
  return capture.sightings.filter(sighting => sighting.gratuitous && sighting.address === address)
}

/** Begins to talk to an address, which makes the kernel resolve it; nobody answers the talking itself. */
async function talkTo(from: LabHost, address: string): Promise<void> {
  const script = `const s = require('dgram').createSocket('udp${address.includes(':') ? 6 : 4}'); s.send('x', 9, '${address}', () => s.close())`
  await from.namespace.run([process.execPath, '-e', script])
}

async function groupsOf(host: LabHost): Promise<string> {
  return await host.namespace.run(['ip', '-6', 'maddr', 'show', 'dev', host.interface])
}

async function stateOf(host: LabHost, address: string): Promise<string | undefined> {
  const { stdout } = await host.exec(['ip', '-j', 'neigh', 'show', address, 'dev', host.interface])
  return (JSON.parse(stdout || '[]') as { state?: string[] }[])[0]?.state?.[0]
}

async function sendFrames(from: LabHost, frames: readonly string[], times = 1): Promise<void> {
  const program = join(import.meta.dirname, '../../test/wire/send-frames.ts')
  const [link] = JSON.parse(await from.namespace.run(['ip', '-j', 'link', 'show', 'dev', from.interface])) as {
    ifindex: number
  }[]
  await from.namespace.run([process.execPath, program, String(link?.ifindex), '--times', String(times), ...frames])
}

/** Processor time of the process so far, by the kernel's book. */
async function cpuMs(wire: WireProcess): Promise<number> {
  const stat = await readFile(`/proc/${wire.child.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
