import type { ControlPlane } from '../control-plane/control-plane.ts'
import { type BenchApi, benchApi } from './api.ts'
import type { Contender } from './contenders.ts'
import { untilAtRest } from './program.ts'
import {
  allAssigned,
  clearAssignments,
  createAndPatchMs,
  createPending,
  createToAddressMs,
  deleteServices,
  rawStatusPatchesPerSecond,
  steadyPrefix,
} from './services.ts'
import { median, percentile } from './statistics.ts'

/** What a controller did with many pending Services and with a steady stream of new ones. */
export interface ControllerResult {
  readonly name: string
  readonly services: number
  /** From the start of the process to the last address. */
  readonly allAssignedSeconds: number
  /** Median of the rounds. */
  readonly perSecond: number
  /** Median of each round's ratio to the raw limit measured just before it. */
  readonly shareOfLimit: number
  readonly cpuSeconds: number
  readonly peakResidentMB: number
  readonly createToAddressP50Ms: number
  readonly createToAddressP99Ms: number
}

export interface ControllerBench {
  readonly rawPerSecond: number
  readonly rawConnections: number
  /** A bare client's creation and patch of each Service of a steady stream. */
  readonly bareMs: readonly number[]
  readonly results: readonly ControllerResult[]
}

export interface ControllerBenchSize {
  readonly services: number
  readonly steadyServices: number
  readonly steadyPerSecond: number
}

/**
 * Measures, on one control plane and in one run: the raw limit of parallel status patches, then each contender from
 * process start until every one of the same pending Services has its address, then its latency under a steady stream.
 */
export async function benchControllers(
  controlPlane: ControlPlane,
  contenders: readonly Contender[],
  size: ControllerBenchSize,
  progress: (line: string) => void,
): Promise<ControllerBench> {
  const api = await benchApi(controlPlane, 64)
  try {
    progress(`creating ${size.services} pending Services`)
    await createPending(api, size.services)
    const bareMs = await createAndPatchMs(api, size.steadyServices, size.steadyPerSecond)
    await deleteServices(api, steadyPrefix)
    const connections = await bestConnections(api, size, progress)
    const raw: number[] = []
    const results: ControllerResult[] = []
    for (const contender of contenders) {
      await contender.prepare()
      const perSecond: number[] = []
      const shares: number[] = []
      for (let round = 1; round <= contender.rounds; round++) {
        // The machine is not the same from minute to minute: each round is held against a limit of its own.
        const limit = await rawLimit(api, size, connections)
        raw.push(limit)
        progress(`raw limit: ${limit.toFixed(0)} status patches a second`)
        const result = await benchOne(api, contender, size, round === contender.rounds, progress)
        perSecond.push(result.perSecond)
        shares.push(result.perSecond / limit)
        if (round === contender.rounds)
          results.push({ ...result, perSecond: median(perSecond), shareOfLimit: median(shares) })
        await clearAssignments(api)
      }
    }
    return { rawPerSecond: median(raw), rawConnections: connections, bareMs, results }
  } finally {
    await deleteServices(api)
    api.close()
  }
}

/** How many connections serve the control plane best. */
async function bestConnections(
  api: BenchApi,
  size: ControllerBenchSize,
  progress: (line: string) => void,
): Promise<number> {
  let best = { connections: 0, perSecond: 0 }
  for (const connections of [8, 16, 32]) {
    const perSecond = await rawLimit(api, size, connections)
    progress(`raw limit: ${perSecond.toFixed(0)} status patches a second on ${connections} connections`)
    if (perSecond > best.perSecond) best = { connections, perSecond }
  }
  return best.connections
}

/** Status patches a second by a bare client, watched as the contenders are, since the watch costs its share too. */
async function rawLimit(api: BenchApi, size: ControllerBenchSize, connections: number): Promise<number> {
  const watched = allAssigned(api, size.services, 600_000)
  const perSecond = await rawStatusPatchesPerSecond(api, size.services, connections)
  await watched
  await clearAssignments(api)
  return perSecond
}

/** One start of a contender; `steadily` = and then its latency and memory. */
async function benchOne(
  api: BenchApi,
  contender: Contender,
  size: ControllerBenchSize,
  steadily: boolean,
  progress: (line: string) => void,
): Promise<ControllerResult> {
  const assigned = allAssigned(api, size.services, 600_000)
  const program = await contender.startController()
  try {
    const allAssignedSeconds = ((await assigned) - program.startedAt) / 1000
    const cpuSeconds = await program.cpuSeconds()
    progress(`${contender.name}: ${size.services} Services assigned in ${allAssignedSeconds.toFixed(1)} s`)
    if (steadily) await untilAtRest([program])
    const waitedMs = steadily ? await createToAddressMs(api, size.steadyServices, size.steadyPerSecond) : [Number.NaN]
    const result = {
      name: contender.name,
      services: size.services,
      allAssignedSeconds,
      perSecond: size.services / allAssignedSeconds,
      shareOfLimit: Number.NaN,
      cpuSeconds,
      peakResidentMB: await program.peakResidentMB(),
      createToAddressP50Ms: percentile(waitedMs, 0.5),
      createToAddressP99Ms: percentile(waitedMs, 0.99),
    }
    if (steadily)
      progress(
        `${contender.name}: create to address p50 ${result.createToAddressP50Ms.toFixed(1)} ms, p99 ${result.createToAddressP99Ms.toFixed(1)} ms`,
      )
    return result
  } finally {
    await program.stop()
    await deleteServices(api, steadyPrefix)
  }
}
