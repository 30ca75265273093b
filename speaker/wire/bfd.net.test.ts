import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type BfdBerth, bfdSession, startBfdBerth } from '../../test/interop/bfd-berth.ts'
import { createWorld, type World } from '../../test/lab/namespace.ts'
import { whyNoLab } from '../../test/lab/tools.ts'
import { createTwoHosts, startWireProcess, type TwoHosts, type WireProcess } from '../../test/wire/hosts.ts'
import type { BfdSessionStatus } from '../bfd/messages.ts'
import type { WireReport } from './messages.ts'

/* BFD in the wire thread, with another Berth's BFD at the other end of the cable. */

const obstacle = await whyNoLab()
if (obstacle) process.stderr.write(`speaker/wire/bfd.net.test.ts is skipped: ${obstacle}\n`)

/** A second of silence is death: less than the main thread will be busy, and more than a shared machine may stall. */
const patient = { transmitIntervalMs: 100, receiveIntervalMs: 100, detectMultiplier: 10 }

describe.skipIf(obstacle !== undefined)('BFD in the wire thread', () => {
  let world: World
  let hosts: TwoHosts
  let wire: WireProcess
  let other: BfdBerth

  beforeEach(async () => {
    world = await createWorld()
    hosts = await createTwoHosts(world)
    wire = await startWireProcess(hosts.node)
    other = await startBfdBerth(hosts.client)
  })
  afterEach(async () => await world.end())

  /** What of BFD the node's kernel has open. */
  const sockets = async (): Promise<readonly string[]> => {
    const { stdout } = await hosts.node.exec(['ss', '-Hunap'])
    return stdout.split('\n').filter(line => line.includes(':3784'))
  }

  const up = async (): Promise<void> => {
    wire.send({ kind: 'bfd', sessions: [bfdSession({ local: '192.0.2.1', ...patient })] })
    other.setSessions(bfdSession({ name: 'node', remote: '192.0.2.1', ...patient }))
    await wire.until('it is up', reports => statusIn(reports)?.state === 'Up')
    await other.until('the other is up', ({ state }) => state === 'Up', 'node')
  }

  test('opens nothing until a session is wanted, and nothing stays open when none is any more', async () => {
    expect(await sockets()).toEqual([])
    await up()
    expect(await sockets()).not.toEqual([])
    wire.send({ kind: 'bfd', sessions: [] })
    await wire.until('its last word', reports => statusIn(reports)?.state === 'AdminDown')
    await other.until('the other has heard', ({ remote }) => remote?.state === 'AdminDown', 'node')
    await expect.poll(sockets, { timeout: 10_000 }).toEqual([])
  })

  test('keeps its pace however busy the main thread is, and counts', async () => {
    await up()
    const toldBefore = other.told.length
    await wire.block(3_000)
    expect(other.told.slice(toldBefore).filter(({ status }) => status.state !== 'Up')).toEqual([])
    const counters = await wire.until('counters', countersIn)
    expect(counters.sessions).toMatchObject([{ name: 'router', ups: 1, downs: 0 }])
    expect(counters.sessions[0]?.packetsReceived).toBeGreaterThan(10)
  })

  test('says that a stop is on purpose before the thread ends', async () => {
    await up()
    await wire.stop()
    await other.until('the other has heard', ({ remote }) => remote?.state === 'AdminDown', 'node')
    expect(wire.exits).toEqual([])
  })
})

function statusIn(reports: readonly WireReport[]): BfdSessionStatus | undefined {
  const last = reports.findLast(report => report.kind === 'bfd')
  return last?.kind === 'bfd' ? last.status : undefined
}

function countersIn(reports: readonly WireReport[]) {
  const last = reports.findLast(report => report.kind === 'bfdCounters')
  return last?.kind === 'bfdCounters' && last.counters.sessions[0]?.packetsReceived !== undefined
    ? last.counters
    : undefined
}
