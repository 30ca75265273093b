import type { Paint } from '../paint.ts'
import { wrap } from '../table.ts'
import { counted } from '../words.ts'
import type { Finding } from './finding.ts'

/** Findings for people: the worst first, what is well in a line each, and last what could not be seen. */
export function doctorText(findings: readonly Finding[], paint: Paint): string {
  const of = (verdict: Finding['verdict']): readonly Finding[] => findings.filter(one => one.verdict === verdict)
  const [fails, warnings, fine, unseen] = [of('fail'), of('warn'), of('ok'), of('unknown')]
  const section = (title: string, texts: readonly string[]): string =>
    texts.length === 0 ? '' : `${paint.bold(title)}\n${texts.join('')}\n`
  const sum = [
    fails.length > 0 ? paint.bad(counted(fails.length, 'failure')) : paint.good('no failure'),
    counted(warnings.length, 'warning'),
    `${fine.length} ok`,
    `${unseen.length} not checked`,
  ]
  return [
    section(
      'Fails',
      fails.map(one => findingText(one, paint.bad(one.check), paint)),
    ),
    section(
      'Warnings',
      warnings.map(one => findingText(one, paint.warn(one.check), paint)),
    ),
    section(
      'Ok',
      fine.map(({ check, what }) => `  ${paint.good(check)}\n${wrap(what, '      ')}`),
    ),
    section(
      'Not checked',
      unseen.map(one => findingText({ ...one, what: `not checked: ${one.what}` }, paint.dim(one.check), paint)),
    ),
    `${sum.join(', ')}\n`,
  ].join('')
}

function findingText({ what, todo }: Finding, head: string, paint: Paint): string {
  return `  ${head}\n${wrap(what, '      ')}${todo.map(text => `      ${paint.warn('→')} ${text}\n`).join('')}`
}
