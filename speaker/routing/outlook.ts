import type { Service, ServiceEndpoints, ServiceKey } from '../../kube/service.ts'
import type { Member } from '../layer2/membership.ts'
import { nextRipeMs } from '../layer2/pacing.ts'
import { linger, nobodyLingers } from '../lingering.ts'
import type { Sources } from '../sources.ts'
import { type RoutingSurvey, routingSurveyOf } from './routes.ts'
import { type RoutingVerdict, routingJudge } from './verdict.ts'

/** What BGP makes of Services in the whole cluster, for the condition that both ways of announcing share. */
export interface Outlook {
  /** Nodes or configuration have changed. */
  forget(): void
  /** Everything that the rules go by has been listed; and whose sessions stand. Before that nothing is missing for certain. */
  readonly known: { readonly rules: boolean; readonly sessions: boolean }
  /** Judges any Service, at this moment; undefined where no BGPAdvertisement speaks for it. */
  look(members: ReadonlyMap<string, Member>, nowMs: number): Judge
  /** When to look again though nothing has happened. */
  nextMs(nowMs: number): number | undefined
}

export type Judge = (service: Service, endpoints: ServiceEndpoints) => RoutingVerdict | undefined

export interface OutlookOptions {
  readonly sources: Pick<
    Sources,
    'config' | 'nodes' | 'services' | 'bgpAdvertisements' | 'bgpPeers' | 'communities' | 'sessionRecords'
  >
  readonly endpoints: { of(service: ServiceKey): ServiceEndpoints }
  /** How long a speaker may be away and is still named among those that announce: a restart is not worth a word. */
  readonly speakerMs: number
}

export function createOutlook({ sources, endpoints, speakerMs }: OutlookOptions): Outlook {
  const { bgpAdvertisements, bgpPeers, communities, sessionRecords } = sources
  let survey: RoutingSurvey | undefined
  let speakers = nobodyLingers
  /** The judge of the last look, which keeps its verdicts as long as nothing has changed that they go by. */
  let sitting:
    | { readonly id: string; readonly members: object; readonly judge: ReturnType<typeof routingJudge> }
    | undefined

  function* established() {
    for (const { node, peer, state } of sessionRecords.values()) if (state === 'Established') yield `${node} ${peer}`
  }

  function* services() {
    for (const service of sources.services.values()) yield { service, endpoints: endpoints.of(service.key) }
  }

  return {
    forget() {
      survey = undefined
      sitting = undefined
    },
    get known() {
      const rules = bgpAdvertisements.hasSynced && bgpPeers.hasSynced && communities.hasSynced
      return { rules, sessions: rules && sessionRecords.hasSynced }
    },
    look(members, nowMs) {
      survey ??= routingSurveyOf({
        config: sources.config(),
        nodes: new Map(Array.from(sources.nodes.values(), node => [node.name, node])),
      })
      const rules = survey
      const sharedRoutes = rules.sharedRoutes(services())
      const present = [...members.values()].filter(({ liveness }) => liveness !== 'gone').map(({ node }) => node)
      speakers = linger(speakers, present, nowMs, speakerMs)
      const sessions = new Set(established())
      const id = [...speakers.names, '', ...sessions].join('\n')
      if (sitting?.id !== id || sitting.members !== members) {
        const isEstablished = (node: string, peer: string): boolean => sessions.has(`${node} ${peer}`)
        const { names } = speakers
        sitting = { id, members, judge: routingJudge({ speakers: names, members, established: isEstablished }) }
      }
      const { judge } = sitting
      return (service, endpoints) => {
        const standing = rules.standingOf(service, endpoints)
        return standing && judge(standing, sharedRoutes(service.key))
      }
    },
    nextMs: nowMs => nextRipeMs(speakers.gone, () => speakerMs, nowMs),
  }
}
