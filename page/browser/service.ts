import type { Explanation } from '../../cli/explain.ts'
import { view } from './api.ts'
import { type Child, h } from './dom.ts'
import { age, badge, heading, section, table } from './parts.ts'
import { linkTo } from './route.ts'
import type { View } from './view.ts'
import { counted, spoken } from './words.ts'

/** One Service: why it has its address or none, who announces it, and what to do. */
export const serviceView: View<Explanation> = {
  title: ({ path }) => path.join('/'),
  load: ({ path }, signal) => view('service', { name: path.join('/') }, signal),
  show(one, { nowMs }) {
    const { service, notOurs, addresses, pool, pending, pools, layer2, bgp, conditions, endpoints } = one
    const path = h('nav', { class: 'path', 'aria-label': 'Where' }, h('a', { href: linkTo('services') }, 'Services'))
    if (notOurs !== undefined) return [path, heading(service), h('p', {}, `Not Berth's: ${notOurs}`)]
    return [
      path,
      heading(
        service,
        h(
          'p',
          { class: 'beside' },
          `${counted(endpoints.usable, 'usable endpoint')} on ${counted(endpoints.nodes, 'node')}, externalTrafficPolicy ${one.externalTrafficPolicy}`,
        ),
      ),
      section(
        'Address',
        {},
        addresses.length === 0
          ? h('p', {}, badge('bad', 'no address'))
          : h(
              'p',
              { class: 'large address' },
              addresses.join(', '),
              pool !== undefined &&
                h('span', { class: 'from' }, ' from ', h('a', { href: linkTo('pools', [pool]) }, pool)),
            ),
        pending && problem(pending.text, pending.advice),
        pools.length > 0 &&
          table(
            'What each pool says',
            [{ name: 'Pool' }, { name: 'Answer' }, { name: 'Why', class: 'rest' }],
            pools.map(({ pool, answer, why }) => ({
              key: pool,
              cells: [
                h('a', { href: linkTo('pools', [pool]) }, pool),
                answered(answer),
                h('span', { class: 'wide' }, why),
              ],
            })),
          ),
      ),
      layer2 &&
        layer2.state !== 'silent' &&
        section(
          'Layer 2',
          {},
          h(
            'p',
            {},
            badge(layer2.state === 'announced' ? 'good' : layer2.state === 'coming' ? 'warn' : 'bad', layer2.state),
          ),
          problem(layer2.text, layer2.advice),
          layer2.ifLost && h('p', {}, layer2.ifLost.text),
          layer2.nodes.length > 0 &&
            table(
              'What each node says',
              [{ name: 'Node' }, { name: 'Answer' }, { name: 'Why', class: 'rest' }],
              layer2.nodes.map(({ node, answer, why }) => ({
                key: node,
                cells: [node, answered(answer), h('span', { class: 'wide' }, why)],
              })),
            ),
        ),
      layer2?.state === 'silent' &&
        !bgp &&
        section('Announced', {}, h('p', {}, badge('bad', 'no')), problem(layer2.text, layer2.advice)),
      bgp &&
        section(
          'BGP',
          {},
          h('p', {}, badge(bgp.state === 'announced' ? 'good' : 'bad', bgp.state)),
          problem(bgp.text, bgp.advice),
          bgp.ifLost && h('p', {}, bgp.ifLost.text),
          bgp.routes.length > 0 &&
            table(
              'Which node tells which router',
              [
                { name: 'Node' },
                { name: 'Router' },
                { name: 'Session' },
                { name: 'Since', class: 'number' },
                { name: 'Problem', class: 'rest' },
              ],
              bgp.routes.map(({ node, peer, session, since, problem }) => ({
                key: `${node} ${peer}`,
                cells: [
                  node,
                  peer,
                  badge(session === 'Established' ? 'good' : 'bad', session),
                  age(since, nowMs),
                  h('span', { class: 'wide' }, problem),
                ],
              })),
            ),
        ),
      conditions.length > 0 &&
        section(
          'Conditions',
          {},
          table(
            'Conditions of the Service',
            [
              { name: 'Type' },
              { name: 'Status' },
              { name: 'Since', class: 'number' },
              { name: 'Message', class: 'rest' },
            ],
            conditions.map(({ type, status, reason, message, lastTransitionTime }) => ({
              key: type,
              cells: [
                type,
                badge(status === 'True' ? 'good' : 'bad', spoken(reason)),
                age(lastTransitionTime, nowMs),
                h('span', { class: 'wide' }, message),
              ],
            })),
          ),
        ),
      section('In a terminal', {}, h('p', {}, h('code', {}, `kubectl berth explain service ${service}`))),
    ]
  },
}

function problem(text: string, advice: readonly string[]): HTMLElement {
  return h(
    'div',
    { class: 'problem' },
    h('p', {}, text),
    advice.length > 0 && h('ul', {}, ...advice.map(one => h('li', {}, one))),
  )
}

function answered(answer: 'has it' | 'yes' | 'no'): Child {
  return badge(answer === 'no' ? 'plain' : 'good', answer)
}
