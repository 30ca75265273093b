import { createQueue } from '../../kube/queue.ts'
import { aborted } from '../../kube/task.ts'
import { createRecordWriter } from './record-writer.ts'
import type { RecorderOptions } from './recorder.ts'
import type { PeerView, RouterView } from './router.ts'
import { delayMs, paceOf, type SessionStatusFields } from './session-pace.ts'
import {
  parseSessionRecord,
  type SessionRecord,
  sessionApi,
  sessionMetadata,
  sessionRecordName,
  sessionStatusOf,
  stoppedStatusOf,
} from './session-record.ts'

/** Keeps the BGPSessionStatuses of this node. */
export interface SessionRecorder {
  take(view: RouterView): void
  run(signal: AbortSignal): Promise<void>
  readonly waiting: number
}

/** What was written last, for the next comparison. */
interface Written {
  readonly status: SessionStatusFields
  readonly resourceVersion: string
  readonly atMs: number
}

const farewellMs = 1_000

export function createSessionRecorder(options: RecorderOptions): SessionRecorder {
  const { transport, node, namespace, log } = options
  const { sessionRecords: store, nodes } = options.sources
  const writer = createRecordWriter<SessionRecord>(transport, { api: sessionApi, store, parse: parseSessionRecord })
  let peers: ReadonlyMap<string, PeerView> = new Map()
  let peersAreCertain = false
  /** By the name of the peer. */
  const written = new Map<string, Written>()
  const queue = createQueue<string>({
    name: 'BGP sessions',
    concurrency: 4,
    process: settle,
    onError: (peer, error, attempt) =>
      log[attempt === 1 ? 'debug' : 'warn'](
        { peer, attempt, err: error },
        'cannot write the BGPSessionStatus; trying again',
      ),
  })

  function keyOf(peer: string): string {
    return `${namespace}/${sessionRecordName(node, peer)}`
  }

  function schedule(view: PeerView): void {
    const { name } = view.peer
    const record = store.get(keyOf(name))
    const last = written.get(name)
    const asked = paceOf(last?.status, statusOf(view, record))
    // Somebody else has written: there is a little time to set that right.
    const edited = record && last && record.resourceVersion !== last.resourceVersion
    const pace = edited && asked !== 'now' ? 'soon' : asked
    if (!pace) return
    const sinceMs = last ? performance.now() - last.atMs : Number.POSITIVE_INFINITY
    queue.addAfter(name, delayMs(pace, sinceMs, store.size))
  }

  function statusOf(view: PeerView, record: SessionRecord | undefined): SessionStatusFields {
    return sessionStatusOf(view, node, record?.conditions ?? [], Date.now())
  }

  async function settle(peer: string): Promise<void> {
    const key = keyOf(peer)
    const record = store.get(key)
    if (!peers.has(peer)) {
      written.delete(peer)
      if (record && peersAreCertain) await writer.remove(record)
      return
    }
    const own = nodes.get(node)
    // Without a Node nobody would ever remove the record; it is written when the Node is there.
    if (!own) return
    const metadata = sessionMetadata(own, peer, namespace)
    let current = record ?? (await writer.create(metadata))
    if (current && current.ownerUid !== own.uid) current = await writer.setMetadata(key, metadata)
    const view = peers.get(peer)
    if (!current || !view) return
    const status = statusOf(view, current)
    const last = written.get(peer)
    if (last?.resourceVersion !== current.resourceVersion || paceOf(last.status, status)) await put(peer, status)
  }

  async function put(peer: string, status: SessionStatusFields, limit?: { timeoutMs: number }): Promise<void> {
    const after = await writer.setStatus(keyOf(peer), status, limit)
    if (after) written.set(peer, { status, resourceVersion: after.resourceVersion, atMs: performance.now() })
  }

  function look({ node: of, peer }: SessionRecord): void {
    if (of !== node) return
    const view = peers.get(peer)
    if (view) schedule(view)
    else if (peersAreCertain) queue.add(peer)
  }

  store.subscribe(({ before, after }) => {
    if (before?.node === node && before.uid !== after?.uid) written.delete(before.peer)
    const record = after ?? before
    if (record) look(record)
  })
  nodes.subscribe(({ key, before, after }) => {
    // A Node that is made anew takes over what its predecessor owned.
    if (key === node && after && before?.uid !== after.uid) for (const name of peers.keys()) queue.add(name)
  })

  /** Nobody else would say that these sessions do not stand any more. */
  async function farewell(): Promise<void> {
    const saying = Array.from(peers, async ([name, view]) => {
      const record = store.get(keyOf(name))
      if (!record) return
      await put(name, stoppedStatusOf(view, node, record.conditions, Date.now()), { timeoutMs: farewellMs })
    })
    for (const result of await Promise.allSettled(saying)) {
      if (result.status === 'fulfilled') continue
      log.debug({ err: result.reason as unknown }, 'the end of a BGP session is not recorded')
    }
  }

  return {
    take(view) {
      peers = new Map(view.peers.map(one => [one.peer.name, one]))
      const wereCertain = peersAreCertain
      // The first plan is made when all of the configuration has been listed.
      peersAreCertain ||= view.plan !== undefined
      for (const one of view.peers) schedule(one)
      for (const name of written.keys()) if (!peers.has(name)) queue.add(name)
      if (peersAreCertain && !wereCertain) for (const record of store.values()) look(record)
    },
    async run(signal) {
      // Without knowing what is there, records would be made that exist.
      await Promise.race([store.synced, aborted(signal)])
      await queue.run(signal)
      if (store.hasSynced) await farewell()
    },
    get waiting() {
      return queue.depth + queue.running
    },
  }
}
