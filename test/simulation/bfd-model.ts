/*
 * One end of a BFD session, as far as its state depends on packets (RFC 5880 §6.2): what speaker/bfd does, without its
 * parameters, signatures and counters, which have tests of their own.
 */

export type BfdState = 'AdminDown' | 'Down' | 'Init' | 'Up'

export interface BfdEnd {
  state: BfdState
  /** By the node's own clock. */
  heardAtMs: number
  /** How long the other end may be silent: one that is not Up sends once a second only. */
  patienceMs: number
  /** Which of our packets was the last. */
  turn: number
}

const transitions: Record<'Down' | 'Init' | 'Up', Record<BfdState, BfdState>> = {
  Down: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Down' },
  Init: { AdminDown: 'Down', Down: 'Init', Init: 'Up', Up: 'Up' },
  Up: { AdminDown: 'Down', Down: 'Down', Init: 'Up', Up: 'Up' },
}

/** The state after a packet. */
export function afterPacket(state: BfdState, packet: BfdState): BfdState {
  return state === 'AdminDown' ? 'AdminDown' : transitions[state][packet]
}

/** Milliseconds between packets of an end in this state, before jitter (§6.8.3). */
export function intervalOf(state: BfdState, intervalMs: number): number {
  return state === 'Up' ? intervalMs : Math.max(1_000, intervalMs)
}

/** Milliseconds to the next packet, with the RFC's jitter. */
export function pauseMs(state: BfdState, intervalMs: number, chance: number): number {
  return intervalOf(state, intervalMs) * (1 - chance / 4)
}
