import { applyStep, removeStep, type Step } from './change.ts'
import { UserError } from './failure.ts'
import { dumpedCluster } from './lists.ts'
import { readManifests } from './manifests.ts'
import type { Lists } from './snapshot.ts'
import { unusable } from './validate.ts'

/** Where a change stands: manifests to be applied, and objects to be removed after that. */
export interface ChangeFiles {
  readonly namespace: string
  readonly filename?: readonly string[]
  readonly delete?: readonly string[]
}

/** The steps of a change in the order of the files; whatever of it the API server would refuse ends it all. */
export async function readChange({
  namespace,
  filename = [],
  delete: removed = [],
}: ChangeFiles): Promise<readonly Step[]> {
  if (filename.length + removed.length === 0) {
    throw new UserError(
      'Name a change: -f FILE for what is to be applied, --delete KIND/NAME for what is to be removed.',
    )
  }
  const { files, manifests, unreadable } = await readManifests(filename)
  const problems = unusable(manifests, unreadable, { namespace, files })
  if (problems.length > 0) {
    const texts = problems.map(({ file, line, object, message }) => `${file}:${line}  ${object}\n    ${message}\n`)
    throw new UserError(`The change cannot be applied:\n${texts.join('')}`.trimEnd())
  }
  const removals = removed.map(text => {
    const step = removeStep(text, namespace)
    if ('problem' in step) throw new UserError(step.problem)
    return step
  })
  const steps = [...manifests.flatMap(({ object }) => applyStep(object, { namespace }) ?? []), ...removals]
  if (steps.length === 0)
    throw new UserError('None of these objects has anything to do with Berth: there is nothing to show.')
  return steps
}

/** A cluster from manifests; the time is that of its Leases. */
export async function readDump(
  paths: readonly string[],
  namespace: string,
): Promise<{
  readonly lists: Lists
  readonly takenAtMs: number
  readonly unknown: readonly string[]
  readonly assumeSpeakers: boolean
}> {
  const { manifests, unreadable } = await readManifests(paths)
  const [broken] = unreadable
  if (broken) throw new UserError(`${broken.file}:${broken.line} cannot be read: ${broken.message}`)
  const { lists, takenAtMs, unknown } = dumpedCluster(
    manifests.map(({ object }) => object),
    namespace,
  )
  return { lists, takenAtMs: takenAtMs ?? Date.now(), unknown, assumeSpeakers: takenAtMs === undefined }
}
