import { startControlPlane } from '../control-plane/control-plane.ts'
import { berth, metallb } from './contenders.ts'
import { benchControllers, type ControllerResult } from './controller.ts'
import { number, promiseTable, table } from './report.ts'
import { percentile } from './statistics.ts'

/** Assignments of many pending Services, latency of new ones, and memory: Berth's controller beside MetalLB's. */
export async function controllerSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const size = options.quick
    ? { services: 500, steadyServices: 100, steadyPerSecond: 20 }
    : { services: 5_000, steadyServices: 600, steadyPerSecond: 20 }
  await using controlPlane = await startControlPlane({ progress: options.progress })
  const bench = await benchControllers(
    controlPlane,
    [berth(controlPlane), metallb(controlPlane)],
    size,
    options.progress,
  )
  const rows = bench.results.map(result => [
    result.name,
    `${number(result.allAssignedSeconds, 1)} s`,
    number(result.perSecond),
    number(result.shareOfLimit, 2),
    `${number(result.cpuSeconds, 1)} s`,
    `${number(result.createToAddressP50Ms, 1)} ms`,
    `${number(result.createToAddressP99Ms, 1)} ms`,
    `${number(result.peakResidentMB)} MB`,
  ])
  const bare = ['a bare client', '', '', '', '', milliseconds(bench.bareMs, 0.5), milliseconds(bench.bareMs, 0.99), '']
  const [ours, theirs] = bench.results
  if (!ours || !theirs) throw new Error('one of the controllers was not measured')
  return `## Controller: from pending to an address

${number(size.services)} pending Services, from the start of the process until the last one has its address; then
${number(size.steadyPerSecond)} new Services a second, each timed from its creation to its address (a bare client creates each and patches it itself:
nothing can be faster). The limit is what the control plane
itself takes when a bare client does nothing but patch Service status: ${number(bench.rawPerSecond)} a second (median) on
${bench.rawConnections} connections, the best of 8, 16 and 32. It is measured anew before every start; per second and share of the limit
are medians, of three starts of Berth and one of MetalLB. Controllers write Events besides; Berth sends them when its queue is empty.

${table(['controller', 'all assigned', 'per second', 'share of the limit', 'processor time', 'new Service p50', 'p99', 'peak memory'], [...rows, bare])}

A new Service cannot have its address sooner than the bare client gives it one on the same machine; what Berth adds to that
stands in a row of its own.

${promises(ours, theirs, bench.bareMs)}
`
}

function promises(ours: ControllerResult, theirs: ControllerResult, bareMs: readonly number[]): string {
  const added = (share: number, whole: number): number => whole - percentile(bareMs, share)
  const goal = { limitName: 'the goal,', unit: ' ms', digits: 1 }
  return promiseTable([
    {
      promise: 'all assigned, in times of the bare limit',
      value: 1 / ours.shareOfLimit,
      limit: 1.25,
      limitName: 'the promised',
      unit: ' ×',
      digits: 2,
    },
    {
      promise: 'all assigned, nine times over',
      value: ours.allAssignedSeconds * 9,
      limit: theirs.allAssignedSeconds,
      limitName: 'MetalLB’s',
      unit: ' s',
      digits: 1,
    },
    { promise: 'new Service p50', value: ours.createToAddressP50Ms, limit: 10, ...goal },
    { promise: 'of it, beyond the bare client', value: added(0.5, ours.createToAddressP50Ms), limit: 10, ...goal },
    { promise: 'new Service p99', value: ours.createToAddressP99Ms, limit: 25, ...goal },
    { promise: 'of it, beyond the bare client', value: added(0.99, ours.createToAddressP99Ms), limit: 25, ...goal },
    {
      promise: 'new Service p50, three times over',
      value: ours.createToAddressP50Ms * 3,
      limit: theirs.createToAddressP50Ms,
      limitName: 'MetalLB’s',
      unit: ' ms',
      digits: 1,
    },
    {
      promise: 'peak memory',
      value: ours.peakResidentMB,
      limit: theirs.peakResidentMB,
      limitName: 'MetalLB’s',
      unit: ' MB',
    },
  ])
}

function milliseconds(samples: readonly number[], share: number): string {
  return `${number(percentile(samples, share), 1)} ms`
}
