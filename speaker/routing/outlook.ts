import type { Service, ServiceEndpoints } from '../../kube/service.ts'
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
    'config' | 'nodes' | 'bgpAdvertisements' | 'bgpPeers' | 'communities' | 'sessionRecords'
  >
  /** How long a speaker may be away and is still named among those that announce: a restart is not worth a word. */
  readonly speakerMs: number
}

export function createOutlook({ sources, speakerMs }: OutlookOptions): Outlook {
  const { bgpAdvertisements, bgpPeers, communities, sessionRecords } = sources
  let survey: RoutingSurvey | undefined
  let speakers = nobodyLingers

  function* established() {
    for (const { node, peer, state } of sessionRecords.values()) if (state === 'Established') yield `${node} ${peer}`
  }

  return {
    forget() {
      survey = undefined
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
      const present = [...members.values()].filter(({ liveness }) => liveness !== 'gone').map(({ node }) => node)
      speakers = linger(speakers, present, nowMs, speakerMs)
      const sessions = new Set(established())
      const judge = routingJudge({
        speakers: speakers.names,
        members,
        established: (node, peer) => sessions.has(`${node} ${peer}`),
      })
      return (service, endpoints) => {
        const standing = rules.standingOf(service, endpoints)
        return standing && judge(standing)
      }
    },
    nextMs: nowMs => nextRipeMs(speakers.gone, () => speakerMs, nowMs),
  }
}
