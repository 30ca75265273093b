import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { binary } from '../../control-plane/binaries.ts'
import type { AlertCase, Firing } from './alert-case.ts'
import type { AlertRule, RuleFile } from './rules.ts'
import { rulesOf } from './rules.ts'

/** The real promtool, with a folder of its own. */
export interface Promtool extends AsyncDisposable {
  /** What it makes of a rule file: what it said, and whether it was content. */
  check(rules: object): Promise<Said>
  /** Lets the time of the tests pass over the rules. */
  test(rules: RuleFile, tests: readonly object[]): Promise<Said>
}

export interface Said {
  readonly said: string
  /** The same where it was not content; empty where it was. */
  readonly failed: string
}

/** Built the first time on a machine, which takes minutes; why it cannot be had where it cannot. */
export async function findPromtool(): Promise<{ readonly path: string } | { readonly obstacle: string }> {
  try {
    return { path: await binary('promtool', { progress: line => process.stderr.write(`${line}\n`) }) }
  } catch (error) {
    return { obstacle: error instanceof Error ? error.message : String(error) }
  }
}

export async function openPromtool(path: string): Promise<Promtool> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-promtool-'))
  let files = 0
  const write = async (content: object): Promise<string> => {
    const file = join(folder, `${++files}.yaml`)
    await writeFile(file, stringify(content))
    return file
  }
  const run = async (...args: readonly string[]): Promise<Said> => {
    try {
      const { stdout, stderr } = await promisify(execFile)(path, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 })
      return { said: stdout + stderr, failed: '' }
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
      if (typeof code !== 'number') throw error
      return { said: stdout + stderr, failed: stdout + stderr }
    }
  }
  return {
    check: async rules => await run('check', 'rules', '--lint=all', '--lint-fatal', await write(rules)),
    async test(rules, tests) {
      const file = await write(rules)
      return await run('test', 'rules', await write({ rule_files: [file], evaluation_interval: '30s', tests }))
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

const everyMinute = Array.from({ length: 31 }, (_, minute) => minute)

/** A situation as promtool wants it. */
export function promtoolTest({ alert, situation, series, fires }: AlertCase, rules: RuleFile): object {
  const quiet = (minutes: number): object => ({ eval_time: time(minutes), alertname: alert, exp_alerts: [] })
  const times = fires
    ? [quiet(Math.max(0, fires.afterMinutes - 0.5)), firing(fires, alert, rules)]
    : everyMinute.map(quiet)
  return { name: `${alert}: ${situation}`, interval: '30s', input_series: inputSeries(series), alert_rule_test: times }
}

/** None of the alerts fires within these series. */
export function quietTest(series: Readonly<Record<string, string>>, rules: RuleFile): object {
  const names = new Set(rulesOf(rules).map(({ alert }) => alert))
  const times = everyMinute.map(time)
  return {
    name: 'nothing is wrong',
    interval: '30s',
    input_series: inputSeries(series),
    alert_rule_test: times.flatMap(eval_time =>
      [...names].map(alertname => ({ eval_time, alertname, exp_alerts: [] })),
    ),
  }
}

function firing({ afterMinutes, labels = {}, summary, description }: Firing, alert: string, rules: RuleFile): object {
  const rule = ruleFor(alert, labels, rules)
  const annotations = { ...rule.annotations, summary, ...(description !== undefined && { description }) }
  const exp_alerts = [{ exp_labels: { ...labels, ...rule.labels }, exp_annotations: annotations }]
  return { eval_time: time(afterMinutes), alertname: alert, exp_alerts }
}

/** Two rules of one name differ in a label of their own. */
function ruleFor(alert: string, labels: Readonly<Record<string, string>>, rules: RuleFile): AlertRule {
  const found = rulesOf(rules).filter(
    rule => rule.alert === alert && [undefined, labels['family']].includes(rule.labels['family']),
  )
  const [rule, ...others] = found
  if (!rule || others.length > 0) throw new Error(`${found.length} rules ${alert} for ${JSON.stringify(labels)}`)
  return rule
}

function inputSeries(series: Readonly<Record<string, string>>): readonly object[] {
  return Object.entries(series).map(([name, values]) => ({ series: name, values }))
}

function time(minutes: number): string {
  return `${minutes * 60}s`
}
