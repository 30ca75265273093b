import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { BfdSessionSettings, BfdSessionStatus } from '../../speaker/bfd/messages.ts'
import { type ControlPacket, diagnostics, encodeControlPacket } from '../../speaker/bfd/packet.ts'
import { leastIntervalMs } from '../../speaker/bfd/settings.ts'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { createWorld, type World } from '../lab/namespace.ts'
import { whyNoLab } from '../lab/tools.ts'
import { createTwoHosts, plug, type TwoHosts } from '../wire/hosts.ts'
import { type BfdBerth, bfdSession, startBfdBerth } from './bfd-berth.ts'
import { machineMs } from './bfd-process.ts'
import { until } from './until.ts'

/* Two of Berth's own BFD on a cable, as speakers watch one another; and what strangers may try. */

const noLab = await whyNoLab()
if (noLab !== undefined) console.warn(`skipped: BFD between two of Berth: ${noLab}`)
else await buildRawsock()

const isUp = ({ state }: { state: string }): boolean => state === 'Up'
const isDown = ({ state }: { state: string }): boolean => state === 'Down'
const secret = (text: string): Uint8Array => new TextEncoder().encode(text)

describe.skipIf(noLab !== undefined)('two of Berth', () => {
  let world: World
  let hosts: TwoHosts

  beforeAll(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    // A cable that is cut and mended is not to take addresses along.
    await hosts.client.namespace.run(['sysctl', '-q', 'net.ipv6.conf.eth0.keep_addr_on_down=1'])
  })
  afterAll(() => world.end())
  afterEach(() => Promise.all([hosts.node, hosts.client].map(({ namespace }) => namespace.killAll())))

  /** One on 192.0.2.1 and the other on 192.0.2.2, with the same settings for what is not said. */
  async function start(more: Partial<BfdSessionSettings> = {}, others: Partial<BfdSessionSettings> = more) {
    const [one, other] = await Promise.all([startBfdBerth(hosts.node), startBfdBerth(hosts.client)])
    const set = {
      one: (changed: Partial<BfdSessionSettings>) => one.setSessions(bfdSession({ ...more, ...changed })),
      other: (changed: Partial<BfdSessionSettings>) =>
        other.setSessions(bfdSession({ remote: '192.0.2.1', ...others, ...changed })),
    }
    set.one({})
    set.other({})
    return { one, other, set }
  }

  async function bothUp({ one, other }: { one: BfdBerth; other: BfdBerth }): Promise<void> {
    await Promise.all([one.until('Up', isUp), other.until('Up', isUp)])
  }

  test('are Up within a moment, signed, and each hears of the other’s death in time', async () => {
    const authentication = {
      kind: 'meticulousKeyedSha1',
      keys: [{ keyId: 1, secret: secret('of the cluster') }],
    } as const
    const pair = await start({ authentication })
    const startMs = machineMs()
    await bothUp(pair)
    expect(machineMs() - startMs).toBeLessThan(2_000)
    await pair.one.until('50 ms × 3', ({ detectionTimeMs }) => detectionTimeMs === 150)
    const killedMs = machineMs()
    await pair.other.kill()
    const { status, atMs } = await pair.one.until('Down', isDown)
    expect(status.diagnostic).toBe(diagnostics.controlDetectionTimeExpired)
    expect((atMs - killedMs) / 150).toBeLessThan(3)
    expect((await pair.one.counters()).sessions[0]?.discarded).toEqual({})
  })

  test('at the least interval, 10 ms × 5, they stay Up, keep the pace, and notice a cut cable', async () => {
    const least = { transmitIntervalMs: leastIntervalMs, receiveIntervalMs: leastIntervalMs, detectMultiplier: 50 }
    const pair = await start(least)
    // As in the speaker. At the ordinary priority a heartbeat may be later than these 50 ms behind other programs.
    const priorities = await Promise.all([pair.one.raise(), pair.other.raise()])
    const multiplier = priorities.every(priority => priority === 'real time') ? 5 : 50
    if (multiplier !== 5) console.warn(`10 ms × ${multiplier} instead of × 5: no real time here (${priorities.join()})`)
    await bothUp(pair)
    for (const side of ['one', 'other'] as const) pair.set[side]({ detectMultiplier: multiplier })
    const detectionMs = leastIntervalMs * multiplier
    const agreed = ({ state, detectionTimeMs }: BfdSessionStatus) => state === 'Up' && detectionTimeMs === detectionMs
    await Promise.all([pair.one.until('agreed', agreed), pair.other.until('agreed', agreed)])
    const counted = async () =>
      (await Promise.all([pair.one.counters(), pair.other.counters()])).map(one => one.sessions[0])
    const [before, startMs] = [await counted(), machineMs()]
    await delay(4_000)
    const [after, seconds] = [await counted(), (machineMs() - startMs) / 1_000]
    for (const [index, session] of after.entries()) {
      expect(session).toMatchObject({ ups: 1, downs: 0, discarded: {} })
      // 100 a second, or more by as much as each may be early (RFC 5880 §6.8.7).
      const perSecond = ((session?.packetsReceived ?? 0) - (before[index]?.packetsReceived ?? 0)) / seconds
      expect(perSecond).toBeGreaterThan(80)
      expect(perSecond).toBeLessThan(100 / 0.75 + 10)
    }
    onTestFinished(async () => {
      await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'up'])
    })
    const cutMs = machineMs()
    await hosts.client.namespace.run(['ip', 'link', 'set', 'eth0', 'down'])
    const downs = await Promise.all([pair.one.until('Down', isDown), pair.other.until('Down', isDown)])
    for (const { status, atMs } of downs) {
      expect(status.diagnostic).toBe(diagnostics.controlDetectionTimeExpired)
      expect((atMs - cutMs) / detectionMs).toBeGreaterThan(0.5)
      // Once more as much, and the time that it takes to pull the cable.
      expect(atMs - cutMs).toBeLessThan(2 * detectionMs + 400)
    }
  })

  test('who has another key is not heard, nor who has none', async () => {
    const kind = 'keyedSha1' as const
    const { one, other, set } = await start(
      { authentication: { kind, keys: [{ keyId: 1, secret: secret('right') }] } },
      { authentication: { kind, keys: [{ keyId: 1, secret: secret('wrong') }] } },
    )
    const discards = (reason: string) =>
      until(
        `${reason} is counted`,
        async () => (await one.counters()).sessions[0]?.discarded[reason] ?? 0,
        count => count > 0,
      )
    await discards('authenticationDigest')
    set.other({ authentication: { kind, keys: [{ keyId: 2, secret: secret('right') }] } })
    await discards('authenticationKey')
    set.other({ authentication: undefined })
    await discards('authenticationMissing')
    expect([...one.told, ...other.told].filter(({ status }) => isUp(status))).toEqual([])
    set.other({ authentication: { kind, keys: [{ keyId: 1, secret: secret('right') }] } })
    await bothUp({ one, other })
  })

  test('a new key takes over without a moment of silence', async () => {
    const kind = 'meticulousKeyedSha1' as const
    const [before, after] = [
      { keyId: 1, secret: secret('before') },
      { keyId: 2, secret: secret('after') },
    ]
    const pair = await start({ authentication: { kind, keys: [before] } })
    await bothUp(pair)
    const steps = [[before, after], [after, before], [after]]
    for (const keys of steps) {
      for (const [side, berth] of [
        ['one', pair.one],
        ['other', pair.other],
      ] as const) {
        pair.set[side]({ authentication: { kind, keys } })
        const { packetsSent = 0 } = (await berth.counters()).sessions[0] ?? {}
        await until(
          'some packets later',
          async () => (await berth.counters()).sessions[0]?.packetsSent ?? 0,
          sent => sent > packetsSent + 3,
        )
      }
    }
    for (const berth of [pair.one, pair.other]) {
      expect((await berth.counters()).sessions[0]).toMatchObject({ ups: 1, downs: 0, discarded: {} })
    }
  })

  test('a thread that was kept from running reads its packets before it judges', async () => {
    // One hears every 50 ms and gives up after 150; the other is told to be patient with it.
    const { one, other } = await start(
      { transmitIntervalMs: 600, receiveIntervalMs: 50 },
      { transmitIntervalMs: 50, receiveIntervalMs: 600 },
    )
    await bothUp({ one, other })
    await one.until('150 ms', ({ detectionTimeMs }) => detectionTimeMs === 150)
    for (let time = 0; time < 3; time++) {
      const { packetsReceived = 0 } = (await one.counters()).sessions[0] ?? {}
      one.block(700)
      await until(
        'what came meanwhile is read',
        async () => (await one.counters()).sessions[0]?.packetsReceived ?? 0,
        received => received > packetsReceived + 10,
      )
    }
    expect((await one.counters()).sessions[0]).toMatchObject({ ups: 1, downs: 0 })
    expect((await other.counters()).sessions[0]).toMatchObject({ ups: 1, downs: 0 })
  })

  test.each([
    { to: '192.0.2.1', remote: '192.0.2.2' },
    { to: '2001:db8:0:2::1', remote: '2001:db8:0:2::2' },
  ])('a packet to $to from beyond the link wakes nobody, and the same from here does', async ({ to, remote }) => {
    const [one, other] = await Promise.all([startBfdBerth(hosts.node), startBfdBerth(hosts.client)])
    one.setSessions(bfdSession({ remote }))
    await one.until('it listens', ({ problem }) => problem === undefined)
    const packet: ControlPacket = {
      diagnostic: 0,
      state: 'Down',
      poll: false,
      final: false,
      controlPlaneIndependent: false,
      demand: false,
      detectMult: 3,
      myDiscriminator: 9,
      yourDiscriminator: 0,
      desiredMinTxInterval: 1_000_000,
      requiredMinRxInterval: 1_000_000,
      requiredMinEchoRxInterval: 0,
      authentication: undefined,
    }
    const send = (ttl: number, bytes: Uint8Array): void => other.sendDatagram({ bytes, to, port: 3784, ttl })
    send(254, encodeControlPacket(packet))
    await until(
      'the kernel has dropped it',
      async () => (await one.counters()).droppedByKernel,
      drops => drops === 1,
    )
    expect((await one.counters()).sessions[0]).toMatchObject({ packetsReceived: 0, discarded: {} })
    send(255, Uint8Array.of(1, 2, 3))
    send(255, encodeControlPacket({ ...packet, yourDiscriminator: 12345 }))
    await until(
      'junk is counted',
      async () => (await one.counters()).discarded,
      discarded => discarded['malformed'] === 1 && discarded['unknownDiscriminator'] === 1,
    )
    send(255, encodeControlPacket(packet))
    await one.until('Init', ({ state }) => state === 'Init')
  })

  test('a port that another program has is said so, and taken when it is free', async () => {
    const holder = await startBfdBerth(hosts.node)
    holder.setSessions(bfdSession({ name: 'holder', remote: '192.0.2.77' }))
    await holder.until('it has the port', ({ problem }) => problem === undefined, 'holder')
    const pair = await start()
    const words = 'another program of this node has BFD’s port 3784 (IPv4)'.replace('’', "'")
    await pair.one.until('the port is taken', ({ problem }) => problem === words)
    expect(pair.one.problems).toEqual([words])
    await holder.stop()
    await bothUp(pair)
    expect(pair.one.told.at(-1)?.status.problem).toBeUndefined()
  })

  test('an interface that goes away and comes back under its name has its session again', async () => {
    const appear = async (): Promise<void> => {
      await plug(hosts, 'eth9', '02:00:00:00:09:01', '02:00:00:00:09:02')
      await hosts.node.namespace.run(['ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth9'])
      await hosts.client.namespace.run(['ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'eth9'])
    }
    const ours = { device: 'eth9', remote: '198.51.100.2' }
    const [one, other] = await Promise.all([startBfdBerth(hosts.node), startBfdBerth(hosts.client)])
    // Another session needs the same port for any device.
    one.setSessions(bfdSession(ours), bfdSession({ name: 'plain', remote: '192.0.2.2' }))
    other.setSessions(
      bfdSession({ ...ours, remote: '198.51.100.1' }),
      bfdSession({ name: 'plain', remote: '192.0.2.1' }),
    )
    await one.until('no such device', ({ problem }) => problem?.includes('ENODEV') === true)
    for (let time = 0; time < 2; time++) {
      await appear()
      await bothUp({ one, other })
      await hosts.node.namespace.run(['ip', 'link', 'del', 'eth9'])
      await one.until('Down', isDown)
    }
    expect((await one.counters()).sessions.find(({ name }) => name === 'plain')).toMatchObject({ ups: 1, downs: 0 })
  })

  test('a session that changes its role is another, under the same name', async () => {
    const pair = await start()
    await bothUp(pair)
    const { status: before } = await pair.one.until('Up', isUp)
    pair.set.one({ passiveMode: true })
    await pair.one.until(
      'Up again',
      ({ state, localDiscriminator }) => state === 'Up' && localDiscriminator !== before.localDiscriminator,
    )
    const states = pair.one.told.map(({ status }) => status.state)
    expect(states.filter((state, index) => state !== states[index - 1])).toEqual(
      expect.arrayContaining(['Up', 'AdminDown', 'Down', 'Up']),
    )
  })

  test('settings that cannot be had are said so and leave the rest', async () => {
    const { one, other } = await start()
    one.setSessions(
      bfdSession(),
      bfdSession({ name: 'bad', remote: 'fe80::1' }),
      bfdSession({ name: 'twin' }),
      bfdSession({ remote: '192.0.2.9' }),
    )
    await bothUp({ one, other })
    expect(one.problems).toEqual([
      'BFD session bad: the link-local address fe80::1 needs a device',
      'BFD session twin: the same as router',
      'BFD session router: wanted twice',
    ])
    expect((await one.counters()).sessions.map(({ name }) => name)).toEqual(['router'])
  })
})
