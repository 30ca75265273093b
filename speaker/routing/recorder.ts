import type { Logger } from 'pino'
import type { EventRecorder } from '../../kube/events.ts'
import type { Transport } from '../../kube/transport.ts'
import type { Member } from '../layer2/membership.ts'
import type { Sources } from '../sources.ts'
import type { RouterView } from './router.ts'
import { createServiceRecorder } from './service-recorder.ts'
import { endedEvent, nothingHappened, regardingPeer, type SessionMemory, sessionEvents } from './session-events.ts'
import { createSessionRecorder } from './session-recorder.ts'
import { createSilenceRecorder } from './silence-recorder.ts'

/*
 * Tells the API server what the router's view says. Nothing waits for it and nothing depends on it: where the API server
 * is away it tries again, and what it then writes is what is true then.
 *
 *     view ─┬→ session-events ─→ Events about BGPPeers
 *           ├→ session-recorder ─→ a BGPSessionStatus per peer: states at once, counters now and then
 *           ├→ silence-recorder ─→ those of speakers that are not heard: that nothing is known
 *           └→ service-recorder ─→ a ServiceBGPStatus per Service: many, and nobody waits for them, so slowly
 */

export interface RecorderOptions {
  readonly transport: Transport
  readonly sources: Pick<Sources, 'sessionRecords' | 'serviceRecords' | 'services' | 'nodes' | 'bgpPeers'>
  readonly events: Pick<EventRecorder, 'record'>
  readonly node: string
  /** Berth's own. */
  readonly namespace: string
  readonly view: () => RouterView
  /** The speakers, as far as this one knows for certain; empty before it does. */
  readonly members: () => ReadonlyMap<string, Member>
  readonly log: Logger
}

export interface Recorder {
  /** The view or the members are others; not needed for counters, which it looks at by itself. */
  update(): void
  /** Works until the signal aborts; then says of each session that the speaker has stopped, which takes a second at most. */
  run(signal: AbortSignal): Promise<void>
  /** Objects that wait to be written. */
  readonly waiting: number
}

/** What Events are made of: the last that was told of a peer, and the object that they are about. */
interface Story {
  readonly memory: SessionMemory
  readonly regarding: ReturnType<typeof regardingPeer> | undefined
}

/** What routers send changes counters and nothing else; nobody is called for that. */
const countEveryMs = 5_000
/** Changes come in handfuls. */
const coalesceMs = 20

export function createRecorder(options: RecorderOptions): Recorder {
  const { sources, events, node, namespace } = options
  const sessions = createSessionRecorder(options)
  const services = createServiceRecorder(options)
  const silence = createSilenceRecorder(options)
  const stories = new Map<string, Story>()
  let timer: NodeJS.Timeout | undefined

  function tellStories({ peers }: RouterView): void {
    for (const one of peers) {
      const { name } = one.peer
      const known = sources.bgpPeers.get(`${namespace}/${name}`)
      const story = stories.get(name)
      // A BGPPeer that is deleted is told of as long as its session is.
      const regarding = known ? regardingPeer(known) : story?.regarding
      const { memory, events: happened } = sessionEvents(story?.memory ?? nothingHappened, one, node)
      stories.set(name, { memory, regarding })
      for (const event of happened) if (regarding) events.record({ ...event, regarding, action: 'Peer' })
    }
    const names = new Set(peers.map(({ peer }) => peer.name))
    for (const name of stories.keys()) if (!names.has(name)) endStory(name, 'removed')
  }

  function endStory(name: string, why: 'removed' | 'stopped'): void {
    const { memory, regarding } = stories.get(name) ?? {}
    stories.delete(name)
    const event = memory && endedEvent(memory, node, why)
    if (event && regarding) events.record({ ...event, regarding, action: 'Peer' })
  }

  function look(): void {
    clearTimeout(timer)
    timer = undefined
    const view = options.view()
    sessions.take(view)
    if (view.plan) services.take(view.plan)
    silence.look()
  }

  function update(): void {
    // A state may last for milliseconds only, and have an end that needs telling.
    tellStories(options.view())
    timer ??= setTimeout(look, coalesceMs)
    timer.unref()
  }

  return {
    update,
    async run(signal) {
      const counting = setInterval(update, countEveryMs)
      await Promise.all([sessions.run(signal), services.run(signal), silence.run(signal)])
      clearInterval(counting)
      clearTimeout(timer)
      for (const name of stories.keys()) endStory(name, 'stopped')
    },
    get waiting() {
      return sessions.waiting + services.waiting + silence.waiting
    },
  }
}
