import { score } from '../../../speaker/layer2/election.ts'
import {
  factsAnnotation,
  formatFacts,
  speakerLeaseLabel,
  speakerLeaseLabelValue,
} from '../../../speaker/layer2/facts.ts'
import { type BenchApi, inParallel } from '../api.ts'
import { berthKinds } from '../speakers.ts'

/** As the chart has it. */
const renewEveryMs = 3_000
const path = `/apis/coordination.k8s.io/v1/namespaces/${berthKinds.namespace}/leases`

/**
 * Members of which nothing is real but their Leases, which are renewed as speakers do it, for as long as `use` takes. They
 * stand together on the ring of who watches whom, so that the real ones keep the sessions that they have.
 */
export async function withBystanders(
  api: BenchApi,
  real: readonly string[],
  count: number,
  use: () => Promise<void>,
): Promise<void> {
  const names = namesBeside(real, count)
  const renew = async (name: string): Promise<void> => {
    const facts = { node: name, run: `run-of-${name}`, leaving: false, interfaces: [] }
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: `speaker-${name}`,
        labels: { [speakerLeaseLabel]: speakerLeaseLabelValue },
        annotations: { [factsAnnotation]: formatFacts(facts) },
      },
      spec: {
        holderIdentity: `${name}/${facts.run}`,
        leaseDurationSeconds: 10,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    }
    const query = 'fieldManager=bench&force=true'
    const { status, text } = await api.call(
      'PATCH',
      `${path}/speaker-${name}?${query}`,
      lease,
      'application/apply-patch+yaml',
    )
    if (status >= 300) throw new Error(`the Lease of ${name} cannot be renewed: ${status} ${text}`)
  }
  await inParallel(count, 8, async index => await renew(names[index] ?? ''))
  let turn = 0
  let refused: unknown
  const renewing = setInterval(() => {
    renew(names[turn++ % count] ?? '').catch((error: unknown) => {
      refused = error
    })
  }, renewEveryMs / count)
  try {
    await use()
  } finally {
    clearInterval(renewing)
  }
  if (refused !== undefined) throw refused
}

/** So many names whose places on the ring lie between two of the real ones that follow each other. */
function namesBeside(real: readonly string[], count: number): readonly string[] {
  const positions = real.map(name => score('ring', name)).sort((one, other) => one - other)
  // Above the highest and below the lowest is the one gap that goes round.
  const [lowest = 0, highest = 0] = [positions[0], positions.at(-1)]
  const names: string[] = []
  for (let index = 1; names.length < count; index++) {
    const name = `bystander-${index}`
    const position = score('ring', name)
    if (position < lowest || position > highest) names.push(name)
  }
  return names
}
