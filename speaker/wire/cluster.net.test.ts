import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, kill, type World } from '../../test/lab/namespace.ts'
import type { LabHost } from '../../test/lab/node.ts'
import { whoHas } from '../../test/lab/probe.ts'
import { createSegment, type Segment } from '../../test/lab/segment.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { lostNodes, startWireSpeakers, type WireSpeaker, watching } from '../../test/wire/speakers.ts'
import { monotonicMs } from './monotonic.ts'

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/wire/cluster.net.test.ts is skipped: ${obstacle}\n`)

const key = new TextEncoder().encode('a secret that all speakers share')
const address = '192.0.2.50'

describe.skipIf(obstacle !== undefined)('speakers that look after each other', () => {
  let world: World
  let segment: Segment
  let speakers: readonly WireSpeaker[]

  beforeEach(async () => {
    world = await createWorld()
    segment = await createSegment(world)
    speakers = []
  })
  afterEach(async () => await world.end())

  async function start(count: number, keyOf: (index: number) => Uint8Array = () => key): Promise<void> {
    const terms = { keyOf, port: 7_947, intervalMs: 100, detectMultiplier: 3 }
    speakers = await startWireSpeakers(world, segment, { count, subnet: '192.0.2', ...terms })
  }

  test('one that is killed is lost to the others, who tell each other; one that is well is not', async () => {
    await start(3)
    for (const speaker of speakers) await watching(speaker, 2)
    expect(speakers.flatMap(({ wire }) => lostNodes(wire.reports))).toEqual([])
    const [first, second, third] = speakers
    if (!first || !second || !third) throw new Error('three were to start')
    const killedAtMs = performance.now()
    await kill(first.wire.child)
    for (const { wire } of [second, third]) {
      await wire.until('node-1 is lost', reports => lostNodes(reports).includes('node-1'))
    }
    // 300 ms by the settings; the rest is a busy machine's.
    expect(performance.now() - killedAtMs).toBeLessThan(3_000)
    expect([second, third].map(({ wire }) => lostNodes(wire.reports))).toEqual([['node-1'], ['node-1']])
  })

  test('with another key nobody is watched, and nobody is missed for it', async () => {
    const other = new TextEncoder().encode('a secret of another installation')
    await start(3, index => (index === 2 ? other : key))
    const [first, second, third] = speakers
    if (!first || !second || !third) throw new Error('three were to start')
    await watching(first, 1)
    await watching(second, 1)
    expect([first, second, third].flatMap(({ wire }) => lostNodes(wire.reports))).toEqual([])
  })

  test('one that was frozen until others missed it answers nothing when it wakes before it has asked', async () => {
    await start(3)
    for (const speaker of speakers) await watching(speaker, 2)
    const [first, second] = speakers
    if (!first || !second) throw new Error('three were to start')
    first.wire.send({ kind: 'announce', announcements: [{ address, interfaces: 'all' }] })
    await first.wire.until('announced', reports => reports.some(({ kind }) => kind === 'announced'))
    expect(await whoHas(second.host, address)).toEqual([first.host.mac])

    first.wire.child.kill('SIGSTOP')
    await second.wire.until('node-1 is lost', reports => lostNodes(reports).includes('node-1'))
    second.wire.send({ kind: 'announce', announcements: [{ address, interfaces: 'all' }] })
    await second.wire.until('announced', reports => reports.some(({ kind }) => kind === 'announced'))
    const heard = first.wire.reports.length
    first.wire.child.kill('SIGCONT')
    await first.wire.until('it has noticed', reports =>
      reports.slice(heard).some(one => one.kind === 'contested' && one.address === address),
    )
    expect(first.wire.reports.slice(heard).map(({ kind }) => kind)).not.toContain('announced')
    expect(await whoHas(client(2), address)).toEqual([second.host.mac])
  })

  test('one that hears neither the others nor the API server stops answering, and goes on when it hears them', async () => {
    await start(3)
    for (const speaker of speakers) await watching(speaker, 2)
    const [first] = speakers
    if (!first) throw new Error('three were to start')
    const other = await world.createNamespace()
    // A second segment that stays whole: on it the address is asked for.
    const second = await createSegment(world)
    await second.attach(first.host.namespace, { port: 'a', interface: 'eth1', mac: '02:00:00:00:01:01', addresses: [] })
    await second.attach(other, { port: 'b', interface: 'eth1', mac: '02:00:00:00:01:02', addresses: ['192.0.2.9/24'] })
    const asker: LabHost = {
      ...first.host,
      name: 'asker',
      namespace: other,
      interface: 'eth1',
      exec: other.exec,
      spawn: other.spawn,
    }
    first.wire.send({ kind: 'announce', announcements: [{ address, interfaces: ['eth1'] }] })
    await first.wire.until('announced', reports =>
      reports.some(one => one.kind === 'announced' && one.interfaces.includes('eth1')),
    )
    const alive = setInterval(() => first.wire.send({ kind: 'alive', atMs: monotonicMs() }), 500)
    try {
      expect(await whoHas(asker, address)).toEqual(['02:00:00:00:01:01'])
      await first.cable.cut('silent')
      await first.wire.until('cut off', reports => reports.some(one => one.kind === 'fence' && one.state === 'cutOff'))
      expect(await whoHas(asker, address)).toEqual([])
      await first.cable.heal()
      await first.wire.until('restored', reports =>
        reports.some(one => one.kind === 'fence' && one.state === 'restored'),
      )
      await expect.poll(() => whoHas(asker, address), { timeout: 10_000 }).toEqual(['02:00:00:00:01:01'])
    } finally {
      clearInterval(alive)
    }
  })

  function client(index: number): LabHost {
    const speaker = speakers[index]
    if (!speaker) throw new Error(`there is no speaker ${index}`)
    return speaker.host
  }
})
