import { type Survey, surveyOf } from '../../speaker/advertisements.ts'
import type { DetectorSettings } from '../../speaker/layer2/detector-state.ts'
import type { EvidenceSettings } from '../../speaker/layer2/evidence.ts'
import { createGroupCache, type GroupCache } from '../../speaker/layer2/groups.ts'
import type { Member } from '../../speaker/layer2/membership.ts'
import { advertisement, pool } from '../../speaker/test-values.ts'
import type { Random } from '../seeded-random.ts'
import type { ApiServer, ClusterConfig } from './api-server.ts'
import type { Machine } from './machine.ts'
import type { Cable, Network } from './network.ts'
import type { Timeline } from './timeline.ts'

/** How the speakers of a simulated cluster are set. */
export interface SimulationSettings {
  readonly intervalMs: number
  readonly detectMultiplier: number
  readonly leaseDurationMs: number
  readonly renewPeriodMs: number
  readonly detector: DetectorSettings
  readonly evidence: EvidenceSettings
  /** How long a speaker rests between two plans. */
  readonly planPauseMs: number
  readonly moveMs: number
  readonly moveEveryMs: number
}

/** What all parts of a simulation share. */
export interface World {
  readonly timeline: Timeline
  readonly random: Random
  readonly network: Network
  readonly api: ApiServer
  readonly settings: SimulationSettings
  readonly machines: ReadonlyMap<string, Machine>
  readonly surveys: Surveys
  /** Hosts on the segment that are no nodes and answer for these addresses. */
  readonly strangers: Set<string>
  /** Whether a node answers for the address may have changed; undefined = for all of its addresses. */
  onAnswers: (node: string, address: string | undefined) => void
}

/** Sends a packet: it arrives later, if it does. */
export function send(world: World, cable: Cable, from: string, to: string, arrive: () => void): void {
  const { network, timeline, machines } = world
  if (!network.passes(cable, from, to) || network.loses()) return
  timeline.at(timeline.nowMs + network.delayMs(), () => {
    if (network.passes(cable, from, to)) machines.get(to)?.receive(arrive)
  })
}

/** Surveys and group caches for each state of members and configuration: speakers that see the same share them. */
export interface Surveys {
  get(
    config: ClusterConfig,
    members: ReadonlyMap<string, Member>,
  ): { readonly survey: Survey; readonly cache: GroupCache }
}

const mostRemembered = 200

export function createSurveys(): Surveys {
  const known = new Map<string, { readonly survey: Survey; readonly cache: GroupCache }>()
  const numbers = new WeakMap<object, number>()
  let next = 0
  const numberOf = (value: object): number => {
    const number = numbers.get(value) ?? next++
    numbers.set(value, number)
    return number
  }
  const pools = [pool('all', '10.0.0.0/16')]
  const layer2Advertisements = [advertisement('all')]
  return {
    get(config, members) {
      const parts = Array.from(members.values(), ({ node, liveness, facts }) => `${node}${liveness}${numberOf(facts)}`)
      const key = `${numberOf(config)} ${parts.sort().join()}`
      const found = known.get(key)
      if (found) return found
      const survey = surveyOf({
        config: { pools, layer2Advertisements, bgpAdvertisements: [] },
        nodes: config.nodes,
        members,
      })
      const made = { survey, cache: createGroupCache() }
      if (known.size >= mostRemembered) known.clear()
      known.set(key, made)
      return made
    },
  }
}
