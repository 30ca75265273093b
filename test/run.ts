import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { type BinaryName, binary, duration } from './control-plane/binaries.ts'
import { containerRuntime } from './real-cluster/runtime.ts'
import { installPackages } from './run/packages.ts'
import type { ProjectMessage } from './run/project.ts'
import { isGood, lastLine, type Outcome, skippedByReason, total, verdict } from './run/tally.ts'

/**
 * `npm test`: gets this machine ready, then runs every check and all tests one after the other, and sums up.
 * `npm test -- types unit` does these steps only.
 */

const root = join(import.meta.dirname, '..')
const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
  ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }),
}
/** What tests of every kind need, and the steps after would otherwise wait for with a test's patience. */
const programsNeeded: readonly BinaryName[] = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'helm',
]

/** Far more than each needs: a test that never ends must not hang a run that nobody watches. */
const minutesAllowed = { unit: 5, simulation: 15, api: 30, net: 45 } as const

interface Step {
  readonly name: string
  readonly title: string
  /** Steps that must have gone well; without them this one can tell nothing. */
  readonly needs?: readonly string[]
  readonly run: () => Promise<Outcome>
}

const steps: readonly Step[] = [
  { name: 'packages', title: 'Debian packages for the network tests', run: packages },
  { name: 'addon', title: "The speaker's socket addon", run: () => command('node', 'speaker/rawsock/build.ts') },
  { name: 'programs', title: 'Programs of the control plane and of real nodes, helm', run: programs },
  { name: 'format', title: 'Format', run: () => command('biome', 'format', '.') },
  { name: 'lint', title: 'Lint', run: () => command('npm', 'run', '--silent', 'lint') },
  { name: 'types', title: 'Types', run: () => command('npm', 'run', '--silent', 'types') },
  { name: 'unit', title: 'Unit tests', run: () => project('unit') },
  { name: 'simulation', title: 'Simulated clusters', run: () => project('simulation') },
  { name: 'api', title: 'Tests against a real API server', needs: ['programs'], run: () => project('api') },
  { name: 'net', title: 'Tests on networks of their own', needs: ['programs', 'addon'], run: () => project('net') },
]

async function packages(): Promise<Outcome> {
  await installPackages(indented)
  return total([])
}

async function programs(): Promise<Outcome> {
  try {
    for (const name of programsNeeded) indented(`${name}: ${await binary(name, { progress: indented })}`)
    // Single tests need these, and skip with the reason where they cannot be had.
    await found('promtool', binary('promtool', { progress: indented }))
    await found('containerd', containerRuntime(indented))
    return total([])
  } catch (error) {
    indented(error instanceof Error ? error.message : String(error))
    return verdict(false)
  }
}

async function found(what: string, path: Promise<string>): Promise<void> {
  await path.then(
    path => indented(`${what}: ${path}`),
    (error: unknown) => indented(`${what}: ${error instanceof Error ? error.message : String(error)}`),
  )
}

async function command(name: string, ...parameters: string[]): Promise<Outcome> {
  const child = spawn(name, parameters, { cwd: root, env: environment, stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = await once(child, 'close')
  return verdict(code === 0)
}

async function project(name: keyof typeof minutesAllowed): Promise<Outcome> {
  // A group of its own, so that workers caught in an endless loop can be ended too.
  const file = join(import.meta.dirname, 'run/project.ts')
  const child = fork(file, [name], { cwd: root, env: environment, detached: true })
  const end = (): void => void (child.pid && child.exitCode === null && process.kill(-child.pid, 'SIGKILL'))
  let outcome: Outcome | undefined
  let unfinished: readonly string[] = []
  child.on('message', (message: ProjectMessage) => {
    if (message.kind === 'outcome') outcome = message.outcome
    else unfinished = message.files
  })
  const limit = setTimeout(() => {
    indented(
      `ended, since it was not over after ${minutesAllowed[name]} minutes; not finished: ${unfinished.join(', ')}`,
    )
    end()
  }, minutesAllowed[name] * 60_000)
  process.once('exit', end)
  await once(child, 'close')
  process.off('exit', end)
  clearTimeout(limit)
  return outcome ?? verdict(false)
}

function indented(text: string): void {
  console.log(text.replaceAll(/^/gm, '   '))
}

/** All of them, or those that are named. */
function stepsNamed(names: readonly string[]): readonly Step[] {
  const unknown = names.filter(name => !steps.some(step => step.name === name))
  if (unknown.length === 0) return names.length === 0 ? steps : steps.filter(step => names.includes(step.name))
  console.error(`There is no step ${unknown.join(', ')}; there are ${steps.map(step => step.name).join(', ')}.`)
  return process.exit(2)
}

/** Runs the steps and gives what came out, by name; a step whose needs failed counts as failed without being run. */
async function runAll(steps: readonly Step[]): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  for (const [index, { name, title, needs = [], run }] of steps.entries()) {
    console.log(`\n[${index + 1}/${steps.length}] ${title}`)
    const lacking = needs.filter(need => outcomes.get(need)?.failed)
    const started = performance.now()
    if (lacking.length > 0) indented(`not run, since this failed: ${lacking.join(', ')}`)
    const outcome = lacking.length > 0 ? verdict(false) : await run()
    outcomes.set(name, outcome)
    indented(`${outcome.failed > 0 ? 'FAILED' : 'ok'} after ${duration((performance.now() - started) / 1000)}`)
  }
  return outcomes
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const started = performance.now()
const isRoot = process.getuid?.() === 0
console.log(
  `All checks and tests of Berth on Node ${process.versions.node}, ${availableParallelism()} cores, ` +
    `${isRoot ? 'as root' : 'not as root'}.\nThe first run on a machine builds Kubernetes and helm, ` +
    'about 11 minutes on two cores; all the rest takes about 40 minutes, of which the tests on networks are half.',
)
const outcomes = await runAll(stepsNamed(process.argv.slice(2)))
const sum = total([...outcomes.values()])
const mustRunAll = Boolean(process.env['CI']) && isRoot

console.log(`\nSummary after ${duration((performance.now() - started) / 1000)}`)
for (const [name, outcome] of outcomes) if (outcome !== undefined) indented(`${name.padEnd(9)} ${lastLine(outcome)}`)
if (sum.skipped.length > 0) {
  console.log(`Skipped${mustRunAll ? ', which counts as a failure in CI as root' : ''}:`)
  for (const line of skippedByReason(sum.skipped)) indented(line)
}
console.log(lastLine(sum))
process.exitCode = isGood(sum, { mustRunAll }) ? 0 : 1
