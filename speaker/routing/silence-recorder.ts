import { createQueue } from '../../kube/queue.ts'
import { spokesman } from '../layer2/membership.ts'
import { createRecordWriter } from './record-writer.ts'
import type { RecorderOptions } from './recorder.ts'
import { parseSessionRecord, type SessionRecord, sessionApi, silentStatusOf } from './session-record.ts'

/**
 * A node that has lost its power leaves records that say Established, for ever. So the speakers' spokesman says of those
 * whose speaker is not heard that nothing is known; a speaker that comes back sets its own records right.
 */
export interface SilenceRecorder {
  /** Who is heard, or what stands in the records, may be another. */
  look(): void
  run(signal: AbortSignal): Promise<void>
  readonly waiting: number
}

export function createSilenceRecorder(options: RecorderOptions): SilenceRecorder {
  const { transport, node, members, log } = options
  const { sessionRecords: store } = options.sources
  const writer = createRecordWriter<SessionRecord>(transport, { api: sessionApi, store, parse: parseSessionRecord })
  const queue = createQueue<string>({
    name: 'silent BGP sessions',
    concurrency: 2,
    process: settle,
    onError: (key, error, attempt) =>
      log.debug({ key, attempt, err: error }, 'cannot write the BGPSessionStatus of another'),
  })

  /** What is to be said of the record now; undefined = nothing, or not by us. */
  function silence(record: SessionRecord): object | undefined {
    if (record.node === node || members().get(record.node)?.liveness !== 'gone') return undefined
    return spokesman(members()) === node ? silentStatusOf(record, Date.now()) : undefined
  }

  async function settle(key: string): Promise<void> {
    const record = store.get(key)
    const status = record && silence(record)
    if (record && status) await writer.mergeStatus(record, status)
  }

  return {
    look() {
      for (const record of store.values()) if (silence(record)) queue.add(record.key)
    },
    run: signal => queue.run(signal),
    get waiting() {
      return queue.depth + queue.running
    },
  }
}
