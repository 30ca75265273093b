import { fewOf } from '../speaker/refusal.ts'
import type { Explanation } from './explain.ts'
import type { Loss } from './explain-loss.ts'
import type { Paint } from './paint.ts'
import { table, wrap } from './table.ts'
import { ago, counted } from './words.ts'

/** An explanation for people. */
export function explanationText(explanation: Explanation, paint: Paint): string {
  const { service, notOurs, endpoints, addresses, pool, pending, pools } = explanation
  const head = paint.bold(`Service ${service}`)
  if (notOurs !== undefined) return `${head}\n${wrap(`Not Berth's: ${notOurs}`, '  ')}`
  const facts = `externalTrafficPolicy ${explanation.externalTrafficPolicy}, ${counted(endpoints.usable, 'usable endpoint')} on ${counted(endpoints.nodes, 'node')}`
  const from = pool === undefined ? '' : ` from pool ${pool}`
  const { sharedWith } = explanation
  const beside = sharedWith.length === 0 ? '' : `, shared with ${fewOf(sharedWith)}`
  const has = addresses.length > 0 ? `${addresses.join(', ')}${from}${beside}` : paint.bad('none')
  return [
    `${head}\n  ${facts}\n\n`,
    `${paint.bold('Address')}  ${has}\n`,
    ...(pending ? [problem(pending, paint)] : []),
    ...(pools.length > 0
      ? [
          table(
            ['pool', 'answer', 'why'],
            pools.map(({ pool, answer, why }) => [pool, answered(answer, paint), why]),
            '  ',
          ),
        ]
      : []),
    ...layer2Text(explanation, paint),
    ...bgpText(explanation, paint),
    ...conditionsText(explanation, paint),
  ].join('')
}

function problem(of: { readonly text: string; readonly advice: readonly string[] }, paint: Paint): string {
  return wrap(of.text, '  ') + of.advice.map(text => `  ${paint.warn('→')} ${text}\n`).join('')
}

function layer2Text({ layer2, bgp }: Explanation, paint: Paint): readonly string[] {
  if (!layer2) return []
  // Where BGP has it, nobody has to be told that layer 2 has not.
  if (layer2.state === 'silent') {
    return bgp ? [] : [`\n${paint.bold('Announced')}  ${paint.bad('no')}\n`, problem(layer2, paint)]
  }
  const word = { announced: paint.good('yes'), coming: paint.warn('not yet'), refused: paint.bad('no') }[layer2.state]
  const rows = layer2.nodes.map(({ node, answer, why }) => [node, answered(answer, paint), why])
  return [
    `\n${paint.bold('Layer 2')}  ${word}\n`,
    problem(layer2, paint),
    lossText(layer2.ifLost, paint),
    ...(rows.length > 0 ? [table(['node', 'answer', 'why'], rows, '  ')] : []),
  ]
}

function lossText(loss: Loss | undefined, paint: Paint): string {
  return loss ? wrap(loss.isSafe ? loss.text : paint.warn(loss.text), '  ') : ''
}

function bgpText({ bgp, takenAtMs }: Explanation, paint: Paint): readonly string[] {
  if (!bgp) return []
  const rows = bgp.routes.map(({ node, peer, session, since, problem }) => {
    const state = session === 'Established' ? paint.good(session) : paint.bad(session)
    return [node, peer, state, ago(since, takenAtMs), problem ?? '']
  })
  return [
    `\n${paint.bold('BGP')}  ${bgp.state === 'announced' ? paint.good('yes') : paint.bad('no')}\n`,
    problem(bgp, paint),
    lossText(bgp.ifLost, paint),
    ...(rows.length > 0 ? [table(['node', 'peer', 'session', 'since', 'problem'], rows, '  ')] : []),
  ]
}

function conditionsText({ conditions, takenAtMs }: Explanation, paint: Paint): readonly string[] {
  if (conditions.length === 0) return []
  const rows = conditions.map(({ type, status, reason, lastTransitionTime }) => {
    const word = status === 'True' ? paint.good(status) : status === 'False' ? paint.bad(status) : paint.warn(status)
    return [type, word, reason, ago(lastTransitionTime, takenAtMs)]
  })
  return [`\n${paint.bold('Conditions')}\n`, table(['type', 'status', 'reason', 'since'], rows, '  ')]
}

function answered(answer: 'has it' | 'yes' | 'no', paint: Paint): string {
  return answer === 'no' ? paint.dim(answer) : paint.good(answer)
}
