import type { ControlPlane } from '../control-plane/control-plane.ts'
import { type BenchApi, benchApi } from './api.ts'
import type { Contender } from './contenders.ts'
import type { Program } from './program.ts'
import {
  allAssigned,
  clearAssignments,
  createPending,
  createToAddressMs,
  deleteServices,
  rawStatusPatchesPerSecond,
  steadyPrefix,
} from './services.ts'
import { percentile } from './statistics.ts'

/** What a controller did with many pending Services and with a steady stream of new ones. */
export interface ControllerResult {
  readonly name: string
  readonly services: number
  /** From the start of the process to the last address. */
  readonly allAssignedSeconds: number
  readonly perSecond: number
  readonly cpuSeconds: number
  readonly peakResidentMB: number
  readonly createToAddressP50Ms: number
  readonly createToAddressP99Ms: number
}

export interface ControllerBench {
  readonly rawPerSecond: number
  readonly rawConnections: number
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
    let raw = { perSecond: 0, connections: 0 }
    for (const connections of [8, 16, 32]) {
      // Watched as the contenders are, since the watch costs the control plane its share too.
      const watched = allAssigned(api, size.services, 600_000)
      const perSecond = await rawStatusPatchesPerSecond(api, size.services, connections)
      await watched
      progress(`raw limit: ${perSecond.toFixed(0)} status patches a second on ${connections} connections`)
      if (perSecond > raw.perSecond) raw = { perSecond, connections }
      await clearAssignments(api)
    }
    const results: ControllerResult[] = []
    for (const contender of contenders) {
      await contender.prepare()
      results.push(await benchOne(api, contender, size, progress))
      await clearAssignments(api)
    }
    return { rawPerSecond: raw.perSecond, rawConnections: raw.connections, results }
  } finally {
    await deleteServices(api)
    api.close()
  }
}

async function benchOne(
  api: BenchApi,
  contender: Contender,
  size: ControllerBenchSize,
  progress: (line: string) => void,
): Promise<ControllerResult> {
  const assigned = allAssigned(api, size.services, 600_000)
  const program = await contender.startController()
  try {
    const allAssignedSeconds = ((await assigned) - program.startedAt) / 1000
    const cpuSeconds = await program.cpuSeconds()
    progress(`${contender.name}: ${size.services} Services assigned in ${allAssignedSeconds.toFixed(1)} s`)
    await quiet(program)
    const waitedMs = await createToAddressMs(api, size.steadyServices, size.steadyPerSecond)
    const result = {
      name: contender.name,
      services: size.services,
      allAssignedSeconds,
      perSecond: size.services / allAssignedSeconds,
      cpuSeconds,
      peakResidentMB: await program.peakResidentMB(),
      createToAddressP50Ms: percentile(waitedMs, 0.5),
      createToAddressP99Ms: percentile(waitedMs, 0.99),
    }
    progress(
      `${contender.name}: create to address p50 ${result.createToAddressP50Ms.toFixed(1)} ms, p99 ${result.createToAddressP99Ms.toFixed(1)} ms`,
    )
    return result
  } finally {
    await program.stop()
    await deleteServices(api, steadyPrefix)
  }
}

/** Waits until a program uses less than a twentieth of a core over two seconds: what it still had to write is written. */
async function quiet(program: Program): Promise<void> {
  const giveUpAt = performance.now() + 120_000
  for (;;) {
    const before = await program.cpuSeconds()
    await new Promise(wake => setTimeout(wake, 2_000))
    if ((await program.cpuSeconds()) - before < 0.1 || performance.now() > giveUpAt) return
  }
}
