import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Transport } from '../../kube/transport.ts'
import { UserError } from '../failure.ts'
import { readManifests } from '../manifests.ts'
import { formatOutput, type OutputFormat } from '../output.ts'
import type { Paint } from '../paint.ts'
import { counted } from '../words.ts'
import { apply } from './apply.ts'
import { type Conversion, convert } from './convert.ts'
import { type Progress, progressOf } from './progress.ts'
import { readCluster } from './read.ts'
import { type Step, stepsToBerth, stepsToMetalLB } from './steps.ts'
import { appliedText, conversionText, manifestText, planText } from './text.ts'

/** What `kubectl berth migrate` is told. */
export interface MigrateOptions {
  readonly namespace: string
  readonly output?: OutputFormat
  readonly metallbNamespace?: string
  readonly filename?: readonly string[]
  readonly toDirectory?: string
  readonly manifests?: boolean
  readonly apply?: boolean
  readonly dryRun?: boolean
}

/** Where to. */
export const directions = ['from-metallb', 'to-metallb'] as const
export type Direction = (typeof directions)[number]

/** How the command reaches the world. */
export interface MigrateSurroundings {
  readonly write: (text: string) => void
  readonly complain: (text: string) => void
  readonly setExitCode: (code: number) => void
  readonly paint: Paint
  readonly connected: <T>(use: (transport: Transport) => Promise<T>) => Promise<T>
}

/** What the plan is, as programs read it. */
export interface Plan {
  readonly objects: Conversion['objects']
  readonly remarks: Conversion['remarks']
  readonly services: number
  readonly losses: Progress['losses']
  readonly layer2: Progress['layer2']
  readonly steps: readonly Step[]
}

/** Converts files, or shows how far a cluster has moved and what is to be done next; writes objects where it is told to. */
export async function migrate(
  direction: Direction,
  options: MigrateOptions,
  around: MigrateSurroundings,
): Promise<void> {
  if (options.dryRun && options.toDirectory !== undefined) {
    throw new UserError('--dry-run writes nothing and --to-directory writes files: leave one of them out.')
  }
  if (options.filename && direction === 'to-metallb') {
    throw new UserError("The way back needs no files: MetalLB's own objects are there until you delete them.")
  }
  if (options.filename) return await migrateFiles(options.filename, options, around)
  const metallbNamespace = options.metallbNamespace
  const { namespace } = options
  await around.connected(async transport => {
    const read = await readCluster(transport, { namespace, metallbNamespace })
    const conversion = convert(read.metallb, { namespace, metallbNamespace })
    if (conversion.objects.length === 0 && !conversion.installation.controller) throw new UserError(nothingThere)
    const towards = direction === 'from-metallb' ? 'berth' : 'metallb'
    const progress = progressOf(read.cluster, conversion, namespace, towards)
    if (options.apply) {
      if (direction === 'to-metallb') throw new UserError('--apply is for from-metallb: the way back writes nothing.')
      refuseLosses(progress)
      refuseTooEarly(progress)
      const applied = await apply(transport, conversion, progress, namespace)
      return around.write(formatOutput(applied, options.output, () => appliedText(applied, progress, around.paint)))
    }
    if (options.manifests || options.toDirectory) return await writeManifests(conversion, options, around)
    const steps = (direction === 'from-metallb' ? stepsToBerth : stepsToMetalLB)(conversion, progress, { namespace })
    const { objects, remarks } = conversion
    const { services, losses, layer2 } = progress
    const plan: Plan = { objects, remarks, services, losses, layer2, steps }
    around.write(
      formatOutput(plan, options.output, () => planText(direction, conversion, progress, steps, around.paint)),
    )
    if (losses.length > 0) around.setExitCode(1)
  })
}

const nothingThere =
  'There is nothing of MetalLB in this cluster. Is it the right one (--kubeconfig, --context)? Files are read with -f.'

/** An address is not taken from anybody by a command that is meant to keep them. */
function refuseLosses({ losses, objects }: Progress): void {
  if (losses.length > 0) {
    const names = losses.map(({ service }) => service)
    const few = names.slice(0, 5).join(', ')
    throw new UserError(
      `${counted(names.length, 'Service')} would not keep what ${names.length === 1 ? 'it has' : 'they have'} (${few}${names.length > 5 ? ', …' : ''}), so nothing is written. Without --apply the plan says why.`,
    )
  }
  if (objects.other.length === 0) return
  throw new UserError(
    `These are in Berth's namespace already and say something else: ${objects.other.join(', ')}. Nothing is written. Delete them, or make them say the same.`,
  )
}

/** Who announces what can only be handed to speakers that live. */
function refuseTooEarly({ speakers, layer2 }: Progress): void {
  if (speakers.length > 0 || layer2.wanted === 0) return
  throw new UserError(
    'No speaker of Berth lives yet, so none could go on where MetalLB announces. Install Berth first: without --apply the plan says how. To write the objects alone, pipe --manifests into kubectl apply -f -',
  )
}

async function migrateFiles(
  paths: readonly string[],
  options: MigrateOptions,
  around: MigrateSurroundings,
): Promise<void> {
  if (options.apply) throw new UserError('--apply is for a live cluster. Pipe what is written into kubectl apply -f -')
  const { manifests, unreadable } = await readManifests(paths)
  for (const { file, line, message } of unreadable) around.complain(`${file}:${line}: ${message}\n`)
  if (unreadable.length > 0) around.setExitCode(1)
  const objects = manifests.map(({ object }) => object)
  const conversion = convert(objects, { namespace: options.namespace, metallbNamespace: options.metallbNamespace })
  if (conversion.objects.length === 0) {
    throw new UserError(`There is nothing of MetalLB in ${paths.join(', ')}.`)
  }
  await writeManifests(conversion, options, around)
}

/** Objects to standard output, or a file each; remarks beside them, where they do not get into a pipe. */
async function writeManifests(
  conversion: Conversion,
  options: MigrateOptions,
  { write, complain, paint }: MigrateSurroundings,
): Promise<void> {
  const { objects, remarks } = conversion
  const folder = options.toDirectory
  if (folder === undefined) {
    write(options.output === 'json' ? formatOutput({ objects, remarks }, 'json', () => '') : manifestText(objects))
    return complain(conversionText(conversion, paint))
  }
  await mkdir(folder, { recursive: true })
  for (const object of objects) {
    const file = `${object.kind.toLowerCase()}-${object.metadata.name}.yaml`
    await writeFile(join(folder, file), manifestText([object]))
  }
  write(conversionText(conversion, paint))
}
