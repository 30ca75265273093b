import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { BenchApi } from '../api.ts'
import type { Stage } from './stage.ts'

/** What speakers cost while nothing happens. */
export interface AtRest {
  readonly writesPerMinute: number
  /** Of one speaker, as a share of a core. */
  readonly coreShare: number
  /** The same of the busiest. */
  readonly highestCoreShare: number
}

/** Watches for so long; `baseline` are the writes per minute of the API server's own. */
export async function measureRest(stage: Stage, api: BenchApi, seconds: number, baseline: number): Promise<AtRest> {
  const pids = [...stage.speakers.values()].map(({ pid }) => pid)
  const cpuBefore = await Promise.all(pids.map(cpuSeconds))
  const writes = await writesPerMinute(api, seconds)
  const cpuAfter = await Promise.all(pids.map(cpuSeconds))
  const shares = cpuAfter.map((after, index) => (after - (cpuBefore[index] ?? 0)) / seconds)
  return {
    writesPerMinute: Math.max(0, writes - baseline),
    coreShare: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    highestCoreShare: Math.max(...shares),
  }
}

/** Requests that change something, as the API server counts them, whoever made them. */
export async function writesPerMinute(api: BenchApi, seconds: number): Promise<number> {
  const before = await writes(api)
  await delay(seconds * 1000)
  return ((await writes(api)) - before) * (60 / seconds)
}

async function writes(api: BenchApi): Promise<number> {
  const { text } = await api.call('GET', '/metrics')
  const counted = [...text.matchAll(/^apiserver_request_total\{.*verb="(POST|PUT|PATCH|APPLY|DELETE)".*\} (\S+)$/gm)]
  return counted.reduce((sum, [, , value]) => sum + Number(value), 0)
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  // utime and stime, in hundredths of a second (USER_HZ)
  return (Number(fields[11]) + Number(fields[12])) / 100
}
