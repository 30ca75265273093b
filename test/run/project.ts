import { relative } from 'node:path'
import { type Reporter, startVitest, type TestModule } from 'vitest/node'
import { type Outcome, type Skipped, total } from './tally.ts'

/**
 * Runs the tests of one project (`node test/run/project.ts unit`) and sends the outcome to the process that started it.
 * Vitest's own reporter does the printing.
 */

/** What the process that started this one is told: the files that are not through yet; at the end, what came out. */
export type ProjectMessage =
  | { readonly kind: 'unfinished'; readonly files: readonly string[] }
  | { readonly kind: 'outcome'; readonly outcome: Outcome }

function tell(message: ProjectMessage): Promise<unknown> {
  return new Promise(sent => process.send?.(message, undefined, undefined, sent))
}

/** Why files skip their tests, by module id: they print a line that starts with `Skipped` while they are loaded. */
const printedReasons = new Map<string, string>()
const unfinished = new Set<string>()
let loading: TestModule | undefined

const listener: Reporter = {
  onTestRunStart: specifications => {
    for (const { moduleId } of specifications) unfinished.add(relative(process.cwd(), moduleId))
    void tell({ kind: 'unfinished', files: [...unfinished] })
  },
  onTestModuleQueued: module => {
    loading = module
  },
  onTestModuleEnd: ({ moduleId }) => {
    unfinished.delete(relative(process.cwd(), moduleId))
    void tell({ kind: 'unfinished', files: [...unfinished] })
  },
  onUserConsoleLog: ({ content }) => {
    const [, reason] = /^skipped\W*(.+)/im.exec(content) ?? []
    if (reason && loading) printedReasons.set(loading.moduleId, reason)
  },
}

function outcomeOf(module: TestModule): Outcome {
  const tests = [...module.children.allTests()]
  const brokenSuites = [module, ...module.children.allSuites()].filter(suite => suite.errors().length > 0)
  const skipped: Skipped[] = []
  for (const test of tests) {
    const result = test.result()
    if (result.state !== 'skipped') continue
    const unsaid = brokenSuites.length > 0 ? 'what comes before its tests failed' : 'it does not say why'
    const reason = result.note ?? printedReasons.get(module.moduleId) ?? unsaid
    skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, reason })
  }
  return {
    passed: tests.filter(test => test.result().state === 'passed').length,
    failed: tests.filter(test => ['failed', 'pending'].includes(test.result().state)).length + brokenSuites.length,
    skipped,
  }
}

const [project] = process.argv.slice(2)
if (!project || !process.send) throw new Error('to be started by test/run.ts')

const vitest = await startVitest('test', [], {
  project,
  watch: false,
  silent: 'passed-only',
  reporters: ['default', listener],
})
const modules = vitest.state.getTestModules()
const outcomes = modules.map(outcomeOf)
// An error outside of every test, or a project that has lost its files, is a failure too.
const strayErrors = vitest.state.getUnhandledErrors().length + (modules.length === 0 ? 1 : 0)
outcomes.push({ passed: 0, failed: strayErrors, skipped: [] })
await vitest.close()
await tell({ kind: 'outcome', outcome: total(outcomes) })
process.exit(process.exitCode)
