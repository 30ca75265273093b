import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { chart } from '../helm.ts'
import type { AlertCase } from './alert-case.ts'
import { controllerCases } from './cases-controller.ts'
import { routingCases } from './cases-routing.ts'
import { speakerCases } from './cases-speaker.ts'

/** An alert of the chart. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook_url', string>>
}

/** A rule file of Prometheus, and the spec of a PrometheusRule. */
export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[]
}

export const alertCases: readonly AlertCase[] = [...controllerCases, ...speakerCases, ...routingCases]

/** What is shipped for a Prometheus without the operator. */
export function shippedRules(): RuleFile {
  return parse(readFileSync(join(chart, 'files/alerts.yaml'), 'utf8')) as RuleFile
}

/** What the chart renders; that helm renders just this is shown by render.api.test.ts. */
export function renderedRules(): RuleFile {
  const text = readFileSync(join(import.meta.dirname, '../golden/full.yaml'), 'utf8')
  const documents = parseAllDocuments(text).map(document => document.toJS() as { kind: string; spec: RuleFile })
  const found = documents.find(({ kind }) => kind === 'PrometheusRule')
  if (!found) throw new Error('golden/full.yaml has no PrometheusRule')
  return found.spec
}

export function rulesOf({ groups }: RuleFile): readonly AlertRule[] {
  return groups.flatMap(({ rules }) => rules)
}
