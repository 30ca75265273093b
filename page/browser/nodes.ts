import type { PeerView } from '../../cli/peers.ts'
import type { NodeRow } from '../views/nodes.ts'
import { view } from './api.ts'
import { h } from './dom.ts'
import { age, badge, heading, nothing, table } from './parts.ts'
import { linkTo } from './route.ts'
import type { View } from './view.ts'
import { count } from './words.ts'

/** Nodes, and what each announces. */
export const nodesView: View<readonly NodeRow[]> = {
  title: () => 'Nodes',
  load: (_, signal) => view('nodes', {}, signal),
  show: rows => [
    heading(
      'Nodes',
      h(
        'p',
        { class: 'beside' },
        `${count(rows.filter(({ state }) => state === 'alive').length)} of ${count(rows.length)} with a speaker`,
      ),
    ),
    rows.length === 0
      ? nothing('There is no node.')
      : table(
          'Nodes',
          [
            { name: 'Node' },
            { name: 'Speaker' },
            { name: 'Services', class: 'number' },
            { name: 'Addresses at layer 2' },
            { name: 'Sessions', class: 'number' },
            { name: 'Prefixes', class: 'number' },
            { name: 'Interfaces' },
            { name: 'Note', class: 'rest' },
          ],
          rows.map(row => ({ key: row.node, cells: nodeCells(row) })),
        ),
  ],
}

function nodeCells(row: NodeRow): readonly (HTMLElement | string)[] {
  const { node, state, services, addresses, moreAddresses, sessions, prefixes, interfaces, note, ready, excluded } = row
  const notes = [ready ? '' : 'the node is not Ready', excluded ? 'excluded by its label' : '', note].filter(Boolean)
  return [
    h('a', { href: linkTo('services', [], { search: node }) }, node),
    badge(state === 'alive' ? 'good' : state === 'leaving' ? 'warn' : 'bad', state),
    count(services),
    h(
      'span',
      { class: 'addresses' },
      addresses.join(', '),
      moreAddresses > 0 ? ` and ${count(moreAddresses)} more` : addresses.length === 0 ? '–' : '',
    ),
    h(
      'span',
      { class: sessions.up < sessions.total ? 'bad-text' : '' },
      sessions.total === 0 ? '–' : `${sessions.up} / ${sessions.total}`,
    ),
    sessions.total === 0 ? '–' : count(prefixes),
    h('span', { class: 'addresses' }, interfaces.join(', ') || '–'),
    h('span', { class: 'wide' }, notes.join('; ')),
  ]
}

/** BGP sessions and the BFD that watches them. */
export const sessionsView: View<readonly PeerView[]> = {
  title: () => 'Sessions',
  load: (_, signal) => view('sessions', {}, signal),
  show(rows, { nowMs }) {
    const up = rows.filter(({ state }) => state === 'Established').length
    return [
      heading('BGP and BFD sessions', h('p', { class: 'beside' }, `${count(up)} of ${count(rows.length)} established`)),
      rows.length === 0
        ? nothing('There is no BGPPeer: Berth announces at layer 2 alone.')
        : table(
            'BGP and BFD sessions',
            [
              { name: 'Node' },
              { name: 'Router' },
              { name: 'State' },
              { name: 'BFD' },
              { name: 'Remote' },
              { name: 'AS', class: 'number' },
              { name: 'Sent', class: 'number' },
              { name: 'Received', class: 'number' },
              { name: 'Since', class: 'number' },
              { name: 'Times', class: 'number' },
              { name: 'Problem', class: 'rest' },
            ],
            rows.map(row => ({ key: `${row.node} ${row.peer}`, cells: sessionCells(row, nowMs) })),
          ),
    ]
  },
}

function sessionCells(row: PeerView, nowMs: number) {
  const { node, peer, remote, state, bfd, peerASN, sent, received, since, established, problem } = row
  return [
    node,
    peer,
    badge(state === 'Established' ? 'good' : 'bad', state || 'none'),
    bfd === undefined ? '–' : badge(bfd === 'Up' ? 'good' : 'bad', bfd),
    h('span', { class: 'address' }, remote || '–'),
    String(peerASN ?? '–'),
    count(sent),
    count(received),
    age(since, nowMs),
    count(established),
    h('span', { class: 'wide' }, problem ?? ''),
  ]
}
