import type { Change } from './api-server.ts'
import { type Episode, type Ill, isHandOver, type Move } from './episodes.ts'
import type { World } from './world.ts'

/*
 * What clients see. A client on each part of the segment asks for every address all the time; whoever would answer, answers.
 * More than one answerer, and none where somebody could, are noted with how long they lasted, and are failures when that is
 * longer than docs/layer2.md allows. The clock of a bound begins anew with each disturbance: bounds are about one thing that
 * goes wrong at a time, and whatever goes wrong next finds a cluster that may not have settled.
 */

/** How long what may last, as things are since the last disturbance; undefined = there is no bound. */
export interface Allowance {
  readonly none: number | undefined
  readonly two: number | undefined
}

export interface Monitor {
  /** Episodes that ended, and those that were open when `finish` was called. */
  readonly episodes: readonly Episode[]
  readonly failures: readonly string[]
  readonly disturbedAtMs: number
  readonly moves: readonly Move[]
  /** Something goes wrong, or is mended. Call it before. */
  disturb(): void
  /** And this after: what is allowed from now on. */
  settle(allowanceOf: (side: number) => Allowance): void
  /** To be set by whoever wants to know, as is what is called after each disturbance. */
  onSettled: () => void
  onMove: (move: Move) => void
  readonly onAnswers: (node: string, address: string | undefined) => void
  readonly onChange: (change: Change) => void
  fail(text: string): void
  finish(): void
}

interface Watch {
  readonly address: string
  readonly side: number
  answerers: readonly string[]
  sinceMs: number
}

export function createMonitor(
  world: Pick<World, 'timeline' | 'machines' | 'network'>,
  addresses: readonly string[],
): Monitor {
  const { timeline, machines, network } = world
  const sides = [0, 1]
  const watches = new Map(
    addresses.map(address => [
      address,
      sides.map((side): Watch => ({ address, side, answerers: [], sinceMs: timeline.nowMs })),
    ]),
  )
  const episodes: Episode[] = []
  const failures: string[] = []
  const moves: Move[] = []
  const claims = new Map<string, string>()
  const answering = new Map<string, Set<string>>()
  let disturbedAtMs = timeline.nowMs
  let allowanceOf: (side: number) => Allowance = () => ({ none: undefined, two: undefined })

  function look(address: string): void {
    const answerers = [...(answering.get(address) ?? [])].sort()
    for (const watch of watches.get(address) ?? []) {
      const here = answerers.filter(node => network.sideOf('segment', node) === watch.side)
      if (here.length === watch.answerers.length && here.every((node, index) => node === watch.answerers[index]))
        continue
      if (illOf(here) !== illOf(watch.answerers)) {
        end(watch)
        watch.sinceMs = timeline.nowMs
      }
      watch.answerers = here
    }
  }

  function illOf(answerers: readonly string[]): Ill | undefined {
    return answerers.length === 1 ? undefined : answerers.length === 0 ? 'none' : 'two'
  }

  /** What was so until now is over, or is to be judged by what is allowed until now. */
  function end(watch: Watch, stays = false): void {
    const ill = illOf(watch.answerers)
    const { address, side, answerers, sinceMs } = watch
    const nowMs = timeline.nowMs
    if (ill === undefined || nowMs <= sinceMs) return
    const allowed = allowanceOf(side)[ill]
    const lastedMs = nowMs - Math.max(sinceMs, disturbedAtMs)
    const episode = { ill, address, side, fromMs: sinceMs, toMs: nowMs, answerers }
    if (!stays) episodes.push(episode)
    if (allowed === undefined || lastedMs <= allowed || isHandOver(episode, moves)) return
    const who = ill === 'none' ? 'nobody answers' : `${answerers.join(' and ')} answer`
    failures.push(
      `${who} for ${address} on side ${side} for ${Math.round(lastedMs)} ms until ${Math.round(nowMs)} ms, not at most ${allowed} ms`,
    )
  }

  const monitor: Monitor = {
    episodes,
    failures,
    get disturbedAtMs() {
      return disturbedAtMs
    },
    moves,
    onSettled: () => {},
    onMove: () => {},
    disturb() {
      for (const sided of watches.values()) for (const watch of sided) end(watch, true)
      disturbedAtMs = timeline.nowMs
    },
    settle(allowed) {
      allowanceOf = allowed
      for (const address of addresses) look(address)
      monitor.onSettled()
    },
    onAnswers: (node, address) => {
      const machine = machines.get(node)
      for (const one of address === undefined ? addresses : [address]) {
        const nodes = answering.get(one) ?? new Set()
        answering.set(one, nodes)
        const answers = machine?.answers(one) ?? false
        if (answers === nodes.has(node)) continue
        if (answers) nodes.add(node)
        else nodes.delete(node)
        look(one)
      }
    },
    onChange: change => {
      if (change.kind !== 'record') return
      const claim = change.record?.claim
      const from = claims.get(change.key)
      if (claim) claims.set(change.key, claim.node)
      else claims.delete(change.key)
      if (!claim || from === undefined || from === claim.node) return
      const address = addresses[Number(/\/s(\d+)-/.exec(change.key)?.[1])] ?? change.key
      const move = { atMs: timeline.nowMs, address, from, to: claim.node, because: claim.because }
      moves.push(move)
      monitor.onMove(move)
    },
    fail: text => void failures.push(text),
    finish() {
      for (const sided of watches.values()) for (const watch of sided) end(watch)
    },
  }
  return monitor
}
