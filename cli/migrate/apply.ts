import { resourcePath } from '../../crds/resources.ts'
import { isConflict, isNotFound } from '../../kube/api-error.ts'
import { fieldOf } from '../../kube/json.ts'
import type { Transport } from '../../kube/transport.ts'
import { claimMetadata, recordApi } from '../../speaker/layer2/record.ts'
import { UserError } from '../failure.ts'
import type { Conversion } from './convert.ts'
import type { Progress, Seed } from './progress.ts'

/*
 * Writes what the plan says, and nothing that is there already. First who announces what, then what there is to announce:
 * a speaker that meets an address without an owner would ask for it, hear MetalLB, and wait.
 */

/** What has been written. */
export interface Applied {
  readonly objects: number
  readonly secrets: readonly string[]
  /** Those that are not where MetalLB has them. */
  readonly missingSecrets: readonly string[]
  /** Services of which Berth now knows who announces them. */
  readonly seeds: number
}

const fieldManager = 'kubectl-berth'
// As many at once as one client may ask without being slowed down.
const atOnce = 16

/** Writes what is missing; what is there already stays as it is. */
export async function apply(
  transport: Transport,
  conversion: Conversion,
  progress: Progress,
  namespace: string,
): Promise<Applied> {
  const post = (path: string, body: object): Promise<boolean> => create(transport, path, body)
  await post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  const { secrets, missingSecrets } = await copySecrets(transport, conversion, namespace)
  const seeds = await inParallel(progress.seeds, seed => post(seedPath(seed), seedObject(seed, namespace)))
  // One after the other: of two that overlap the older wins.
  let objects = 0
  for (const object of progress.objects.missing) {
    if (await postObject(transport, resourcePath(object.kind, namespace), object)) objects++
  }
  return { objects, secrets, missingSecrets, seeds }
}

async function postObject(transport: Transport, path: string, object: object): Promise<boolean> {
  try {
    return await create(transport, path, object)
  } catch (error) {
    if (!isNotFound(error)) throw error
    const message = "The cluster does not know Berth's kinds yet. Install Berth first; the first step says how."
    throw new UserError(message, { cause: error })
  }
}

/** False where it was there already. */
async function create(transport: Transport, path: string, body: object): Promise<boolean> {
  try {
    await transport.request({ method: 'POST', path, query: { fieldManager }, body })
    return true
  } catch (error) {
    if (isConflict(error)) return false
    throw error
  }
}

async function copySecrets(
  transport: Transport,
  { secrets, installation }: Conversion,
  namespace: string,
): Promise<Pick<Applied, 'secrets' | 'missingSecrets'>> {
  const copied: string[] = []
  const missing: string[] = []
  for (const name of secrets) {
    const path = `/api/v1/namespaces/${installation.namespace}/secrets/${name}`
    try {
      const secret = await transport.request<unknown>({ method: 'GET', path })
      const [type, data] = [fieldOf(secret, 'type'), fieldOf(secret, 'data')]
      const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type, data }
      if (await create(transport, `/api/v1/namespaces/${namespace}/secrets`, body)) copied.push(name)
    } catch (error) {
      if (!isNotFound(error)) throw error
      missing.push(name)
    }
  }
  return { secrets: copied, missingSecrets: missing }
}

function seedPath({ service }: Seed): string {
  return resourcePath('ServiceL2Status', service.namespace)
}

function seedObject({ service, node }: Seed, namespace: string): object {
  const claim = { node, because: 'migrated', from: undefined } as const
  const metadata = claimMetadata(service, claim, undefined, namespace)
  return { apiVersion: `${recordApi.group}/${recordApi.version}`, kind: 'ServiceL2Status', metadata }
}

/** How many of them were done. */
async function inParallel<T>(all: readonly T[], job: (one: T) => Promise<boolean>): Promise<number> {
  const rest = [...all]
  let done = 0
  const worker = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) if (await job(one)) done++
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return done
}
