import { apiGroup, plurals } from '../../crds/resources.ts'
import { specFields } from '../../crds/spec-fields.ts'
import { statusOf } from '../status.ts'
import { formatSpan } from '../words.ts'
import type { Facts, NodeFacts, Taint, Toleration, Workload } from './facts.ts'
import { type Finding, fail, ok, unknown, warn } from './finding.ts'
import { flagOf } from './others.ts'

const oldestMinor = 30

/** The versions of what runs here. */
export function checkVersions(facts: Facts): readonly Finding[] {
  return [serverVersion(facts), kinds(facts), programVersions(facts)]
}

function serverVersion({ serverVersion }: Facts): Finding {
  if (!serverVersion.known) return unknown('APIServerVersion', `the version of the API server: ${serverVersion.why}`)
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(serverVersion.value) ?? []
  if (Number(major) > 1 || Number(minor) >= oldestMinor) {
    return ok('APIServerVersion', `The API server is ${serverVersion.value}.`)
  }
  return fail(
    'APIServerVersion',
    `The API server is ${serverVersion.value}; Berth's schemas and the chart want 1.${oldestMinor} or newer.`,
    'Upgrade Kubernetes.',
  )
}

function kinds({ crds }: Facts): Finding {
  if (!crds.known) return unknown('CRDs', `whether Berth's kinds are those of this version: ${crds.why}`)
  const byName = new Map(crds.value.map(crd => [crd.name, crd]))
  const wanted = Object.entries(plurals).map(([kind, plural]) => ({ kind, crd: byName.get(`${plural}.${apiGroup}`) }))
  const missing = wanted.filter(({ crd }) => !crd).map(({ kind }) => kind)
  const apply = `Apply those of this version: kubectl apply --server-side -f crds/; the chart brings them along in an upgrade.`
  if (missing.length > 0) return fail('CRDs', `The cluster does not know ${missing.join(', ')}.`, apply)
  const lacking = Object.entries(specFields).flatMap(([kind, fields]) => {
    const known = new Set(wanted.find(one => one.kind === kind)?.crd?.specFields)
    return fields.filter(field => !known.has(field)).map(field => `${kind} spec.${field}`)
  })
  if (lacking.length === 0)
    return ok('CRDs', `All ${wanted.length} kinds of Berth are installed, with every field that this version knows.`)
  const few = lacking.slice(0, 4).join(', ') + (lacking.length > 4 ? ` and ${lacking.length - 4} more` : '')
  return fail('CRDs', `The installed kinds are older than this program: ${few} would be dropped silently.`, apply)
}

function programVersions({ workloads, version, picture }: Facts): Finding {
  if (!workloads.known) return unknown('ProgramVersions', `the versions of controller and speakers: ${workloads.why}`)
  const own = ownWorkloads(workloads.value, picture.snapshot.namespace)
  const versions = own.map(({ kind, name, labels }) => ({ name: `${kind} ${name}`, version: labels[versionLabel] }))
  if (versions.length === 0) {
    return unknown(
      'ProgramVersions',
      'the versions of controller and speakers: nothing in the namespace has the labels of the chart.',
    )
  }
  const texts = versions.map(one => `${one.name} is ${one.version ?? 'unlabelled'}`).join(', ')
  const distinct = new Set([version, ...versions.map(one => one.version)])
  if (distinct.size === 1) return ok('ProgramVersions', `Controller, speakers and this program are ${version}.`)
  return warn(
    'ProgramVersions',
    `${texts}, this program is ${version}: it may say what they would not.`,
    'Use the kubectl-berth of their version, or upgrade them: helm upgrade.',
  )
}

const versionLabel = 'app.kubernetes.io/version'
const componentLabel = 'app.kubernetes.io/component'

/** What the chart has made in Berth's namespace. */
export function ownWorkloads(workloads: readonly Workload[], namespace: string): readonly Workload[] {
  return workloads.filter(
    ({ namespace: home, labels, kind }) =>
      kind !== 'Pod' && home === namespace && labels['app.kubernetes.io/name'] === 'berth' && labels[componentLabel],
  )
}

function speakerDaemonSet({ workloads, picture }: Facts): Workload | undefined {
  if (!workloads.known) return undefined
  const { namespace } = picture.snapshot
  return ownWorkloads(workloads.value, namespace).find(one => one.labels[componentLabel] === 'speaker')
}

/** Whether the programs run, where they should, and may do what they must. */
export function checkPrograms(facts: Facts): readonly Finding[] {
  return [controller(facts), speakers(facts), ...rights(facts), podSecurity(facts), hearing(facts), clocks(facts)]
}

function controller({ picture }: Facts): Finding {
  const { controller, namespace, takenAtMs } = statusOf(picture)
  if (controller.alive) return ok('Controller', `${controller.leader} leads.`)
  const what =
    controller.leader === undefined
      ? 'No controller leads: no Service gets an address.'
      : `The controller ${controller.leader} has not renewed its Lease for ${formatSpan(takenAtMs - Date.parse(controller.renewed ?? ''))}: no Service gets an address.`
  return fail('Controller', what, `kubectl -n ${namespace} get pods -l app.kubernetes.io/component=controller`)
}

function speakers(facts: Facts): Finding {
  const { picture, nodes } = facts
  const { speakers, namespace } = statusOf(picture)
  const lacking = speakers.filter(({ state }) => state === 'missing' || state === 'gone')
  if (speakers.length > 0 && lacking.length === 0) {
    return ok('Speakers', `A speaker runs on each of the ${speakers.length} nodes.`)
  }
  const daemonSet = speakerDaemonSet(facts)
  const texts = lacking.map(({ node, state }) => {
    const taint = keptOut(
      nodes.find(({ name }) => name === node),
      daemonSet,
    )
    if (taint) return `${node} (its taint ${formatTaint(taint)} is not tolerated)`
    return state === 'gone' ? `${node} (its Lease has run out)` : node
  })
  const few = texts.slice(0, 5).join(', ') + (texts.length > 5 ? ` and ${texts.length - 5} more` : '')
  const what = speakers.length === 0 ? 'There is no node.' : `No speaker runs on ${few}: these nodes announce nothing.`
  const todo = [
    `kubectl -n ${namespace} get pods -o wide -l ${componentLabel}=speaker`,
    ...(texts.some(text => text.includes('taint'))
      ? ['Tolerate the taints: speaker.tolerations in the values of the chart.']
      : []),
  ]
  return lacking.length === speakers.length ? fail('Speakers', what, ...todo) : warn('Speakers', what, ...todo)
}

/** A taint that keeps the DaemonSet's pods off the node. */
function keptOut(node: NodeFacts | undefined, daemonSet: Workload | undefined): Taint | undefined {
  if (!node || !daemonSet) return undefined
  return node.taints.find(
    taint =>
      taint.effect !== 'PreferNoSchedule' &&
      !addedByKubernetes.has(taint.key) &&
      !daemonSet.tolerations.some(one => tolerates(one, taint)),
  )
}

/** What every DaemonSet's pods tolerate. */
const addedByKubernetes = new Set(
  [
    'not-ready',
    'unreachable',
    'disk-pressure',
    'memory-pressure',
    'pid-pressure',
    'unschedulable',
    'network-unavailable',
  ].map(name => `node.kubernetes.io/${name}`),
)

function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect !== undefined && effect !== taint.effect) return false
  if (key === undefined) return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''))
}

function formatTaint({ key, value, effect }: Taint): string {
  return `${value ? `${key}=${value}` : key}:${effect}`
}

function rights(facts: Facts): readonly Finding[] {
  const { workloads } = facts
  if (!workloads.known) return [unknown('SpeakerRights', `what the speakers may do: ${workloads.why}`)]
  const daemonSet = speakerDaemonSet(facts)
  if (!daemonSet) {
    return [
      unknown('SpeakerRights', 'what the speakers may do: no DaemonSet in the namespace has the labels of the chart.'),
    ]
  }
  const name = `DaemonSet ${daemonSet.name}`
  const edit = `kubectl -n ${daemonSet.namespace} edit daemonset ${daemonSet.name}; or helm upgrade, which puts it right`
  const findings: Finding[] = []
  if (!daemonSet.privileged && !daemonSet.capabilities.some(one => /^(CAP_)?(NET_RAW|ALL)$/.test(one))) {
    findings.push(
      fail(
        'SpeakerRights',
        `${name} does not add the capability NET_RAW: no speaker can send or hear ARP and NDP.`,
        `Add it to securityContext.capabilities.add: ${edit}`,
      ),
    )
  }
  if (!daemonSet.hostNetwork) {
    findings.push(
      fail(
        'SpeakerRights',
        `${name} has no hostNetwork: its pods do not see the interfaces of the nodes.`,
        `Set hostNetwork: true: ${edit}`,
      ),
    )
  }
  return findings.length > 0 ? findings : [ok('SpeakerRights', `${name} has the network of the nodes and NET_RAW.`)]
}

function podSecurity({ podSecurity: level, picture }: Facts): Finding {
  const { namespace } = picture.snapshot
  if (level === undefined || level === 'privileged') {
    return ok('PodSecurity', `Namespace ${namespace} lets pods use the network of the nodes.`)
  }
  const label = `pod-security.kubernetes.io/enforce`
  return fail(
    'PodSecurity',
    `Namespace ${namespace} has ${label}: ${level}, which refuses pods with hostNetwork and NET_RAW: no new speaker can start.`,
    `kubectl label namespace ${namespace} ${label}=privileged --overwrite`,
  )
}

function hearing(facts: Facts): Finding {
  const { missedSpeakers, picture } = facts
  const args = speakerDaemonSet(facts)?.args ?? []
  const port = flagOf(args, 'speaker-port') ?? '7947'
  if (picture.members.size < 2)
    return ok('SpeakersHearEachOther', 'There are no two speakers that could hear each other.')
  if (args.length > 0 && flagOf(args, 'speaker-key-file') === undefined) {
    return ok(
      'SpeakersHearEachOther',
      'Fast detection is off (speaker.detection): a node that is lost is noticed by its Lease.',
    )
  }
  const byHand = `On a node: nc -uz OTHER-NODE ${port}; the metric berth_speaker_missed of each speaker must be 0.`
  if (!missedSpeakers.known) {
    return unknown(
      'SpeakersHearEachOther',
      `whether UDP ${port} and BFD pass between the nodes: ${missedSpeakers.why}`,
      byHand,
    )
  }
  // Who is gone is missed by all the others, and rightly.
  const gone = [...picture.members.values()].filter(({ liveness }) => liveness === 'gone').length
  const deaf = [...missedSpeakers.value].filter(([, count]) => count > gone)
  if (deaf.length === 0) {
    return ok('SpeakersHearEachOther', `${missedSpeakers.value.size} speakers asked: each hears all that it watches.`)
  }
  const texts = deaf.slice(0, 5).map(([node, count]) => `${node} misses ${count}`)
  return fail(
    'SpeakersHearEachOther',
    `Speakers do not hear others whose Leases are renewed: ${texts.join(', ')}. A node that is lost may be noticed late, or one that lives be taken for lost.`,
    `Let UDP ${port} and UDP 3784 pass between all nodes.`,
    byHand,
  )
}

// Leases are compared to the second.
const tolerableSkewMs = 2_000

function clocks({ leases }: Facts): Finding {
  if (leases.length === 0) return unknown('Clocks', 'the clocks of the nodes: there is no Lease to tell by')
  const off = leases
    .map(({ holder, writtenMs, receivedMs }) => ({ holder, aheadMs: writtenMs - receivedMs }))
    .filter(({ aheadMs }) => Math.abs(aheadMs) > tolerableSkewMs)
  if (off.length === 0)
    return ok('Clocks', `The clocks of ${leases.length} holders of Leases agree with the API server's.`)
  const texts = off.map(
    ({ holder, aheadMs }) => `${holder} is ${formatSpan(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead' : 'behind'}`,
  )
  return warn(
    'Clocks',
    `Clocks differ from the API server's: ${texts.slice(0, 5).join(', ')}. Berth does not go by them, but what this program says of ages does.`,
    'Let every node run an NTP client: chronyc tracking, or timedatectl.',
  )
}
