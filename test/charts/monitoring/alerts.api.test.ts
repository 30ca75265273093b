import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { healthy } from './healthy.ts'
import { findPromtool, openPromtool, type Promtool, promtoolTest, quietTest } from './promtool.ts'
import { alertCases, type RuleFile, renderedRules, rulesOf } from './rules.ts'

/*
 * The alerts as the chart renders them, tried by Prometheus' own tool: each situation of the tables beside this file, with
 * what it says then, word for word.
 */

const found = await findPromtool()
const obstacle = 'obstacle' in found ? found.obstacle : undefined
if (obstacle !== undefined) console.warn(`Skipped, no promtool on this machine: ${obstacle}`)

const rules = renderedRules()
const names = [...new Set(rulesOf(rules).map(({ alert }) => alert))]

/** The rules of one name alone, or with another expression in their place. */
function only(name: string, expr?: string): RuleFile {
  const some = rulesOf(rules).filter(({ alert }) => alert === name)
  return { groups: [{ name, rules: expr ? some.map(rule => ({ ...rule, expr, for: '0s' })) : some }] }
}

describe.skipIf(obstacle !== undefined)('the alerts of the chart', () => {
  let promtool: Promtool
  beforeAll(async () => {
    if ('path' in found) promtool = await openPromtool(found.path)
  })
  afterAll(async () => await promtool?.[Symbol.asyncDispose]())

  test('are rules that Prometheus takes', async () => {
    const { said, failed } = await promtool.check(rules)
    expect(failed).toBe('')
    expect(said).toContain(`SUCCESS: ${rulesOf(rules).length} rules found`)
  })

  test.each(names)('%s fires in its situations, with these words, and not in the others', async name => {
    const cases = alertCases.filter(({ alert }) => alert === name)
    const tests = cases.map(one => promtoolTest(one, rules))
    expect((await promtool.test(only(name), tests)).failed).toBe('')
    // Lest the situations prove nothing: another rule in its place fails in each that it should fail in.
    const never = await promtool.test(only(name, 'vector(1) > 2'), tests)
    const always = await promtool.test(only(name, 'vector(1)'), tests)
    for (const { situation, fires } of cases)
      expect((fires ? never : always).failed).toContain(`name: ${name}: ${situation},`)
  })

  test('are silent where nothing is wrong', async () => {
    expect((await promtool.test(rules, [quietTest(healthy, rules)])).failed).toBe('')
  })
})
