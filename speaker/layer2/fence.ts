import type { Standing } from './detector-state.ts'

/*
 * Whether this node may still answer. Others take over from it without asking, so it has to know by itself when its time
 * has passed. Lives in the wire thread, which asks `mayAnswer` before every single answer: one comparison with a clock.
 *
 * The licence to answer is a time, and runs out
 * - `gapMs` after the last tick of the wire thread: a process that was stopped, or a machine that was paused, wakes up with a
 *   licence that is over, and finds that out before its first answer and not after it. The gap is shorter than anybody needs
 *   to notice a silent node, so up to there nobody can have taken over;
 * - `mainPatienceMs` after the last sign of life from the main thread, without which no hand-over would be noticed;
 * - `cutOffMs` after we last heard from half of the members or from the API server. Either will do: an API server that
 *   is away changes nothing, however long, and no more does a node that hears nobody but the API server.
 *
 * After a gap it is not enough to go on: others may have begun. The neighbours are asked (`question`), with a number that no
 * packet from before the gap can have, and when more than half answer that they never missed us, nothing has happened
 * and we go on, a round trip later. When one has missed us, or nobody answers, every address is treated as one that is to
 * be taken over: it is asked for on the segment first (`askSegment`), and where somebody answers, it is theirs. The same
 * after having been cut off.
 */

export interface FenceSettings {
  /** Longest pause between two ticks that nobody can have noticed: the detection time less one interval. */
  readonly gapMs: number
  /** How long we answer without hearing half of the members or the API server. */
  readonly cutOffMs: number
  readonly mainPatienceMs: number
  /** The question is asked again so often. */
  readonly askAgainMs: number
  /** After a gap, how long until our own sessions tell what they are worth: the detection time. */
  readonly settleMs: number
}

/** From the pace of BFD and the timing of the Leases. */
export function fenceSettings(options: {
  readonly intervalMs: number
  readonly detectMultiplier: number
  readonly leaseDurationMs: number
  readonly renewPeriodMs: number
}): FenceSettings {
  const { intervalMs, detectMultiplier, leaseDurationMs, renewPeriodMs } = options
  const detectionMs = intervalMs * detectMultiplier
  return {
    // With a multiplier of 1 there would be none.
    gapMs: Math.max(intervalMs / 2, detectionMs - intervalMs),
    cutOffMs: Math.min(2_000, leaseDurationMs / 5),
    mainPatienceMs: leaseDurationMs - renewPeriodMs - 500,
    askAgainMs: 50,
    settleMs: detectionMs + 100,
  }
}

/** What the wire thread compares with the clock. */
export interface Licence {
  readonly untilMs: number
}

/** Whether an answer may leave now. */
export function mayAnswer(licence: Licence, nowMs: number): boolean {
  return nowMs < licence.untilMs
}

/** Since a gap: what was asked of whom, and what they said. */
interface Waking {
  readonly sinceMs: number
  readonly nonce: number
  readonly askedAtMs: number
  /** Runs of the neighbours whose sessions were up. */
  readonly asked: ReadonlySet<string>
  readonly vouched: ReadonlySet<string>
  readonly missed: boolean
}

export interface Fence {
  readonly settings: FenceSettings
  readonly tickedAtMs: number
  readonly mainAtMs: number
  readonly standing: Standing
  /** When half of the members were last heard, and when that renewal of our Lease was sent that came back last. */
  readonly heardAtMs: number
  readonly provenMs: number
  readonly waking: Waking | undefined
  /** Whether answers are withheld for being cut off. */
  readonly cutOff: boolean
}

/** Times are of one monotonic clock that main and wire share (`process.hrtime`), in milliseconds. */
export type FenceEvent =
  /**
   * Every few tens of milliseconds, and before anything else that was waiting is looked at. `nonce` is a random number
   * for a question, should one be needed; `neighbours` are the runs of those whose sessions are up. `leapMs`: by how much
   * more a clock that counts suspended time has advanced since the last tick.
   */
  | {
      readonly kind: 'tick'
      readonly nonce: number
      readonly neighbours: readonly string[]
      readonly leapMs: number
    }
  | { readonly kind: 'standing'; readonly standing: Standing }
  /** A renewal of our Lease came back through main's watch; when main had sent it. */
  | { readonly kind: 'proven'; readonly sentMs: number }
  /** The main thread lives, and when it said so. */
  | { readonly kind: 'main'; readonly atMs: number }
  /** An answer of another speaker (`isFresh`); `missesUs` = our own run is among those that it misses. */
  | { readonly kind: 'answer'; readonly from: string; readonly nonce: number; readonly missesUs: boolean }

export type FenceAction =
  /** Ask these runs whether they miss us. */
  | { readonly kind: 'question'; readonly nonce: number; readonly to: readonly string[] }
  /** Nothing that was announced may be answered before it has been asked for on the segment. */
  | { readonly kind: 'askSegment' }
  /** This process did not run for so long. The detector is to be told first of all (`woke`). */
  | { readonly kind: 'woke'; readonly gapMs: number }
  /** For the log: answers are withheld, or no longer. */
  | { readonly kind: 'cutOff' }
  | { readonly kind: 'restored' }

export function createFence(settings: FenceSettings, nowMs: number): Fence {
  return {
    settings,
    tickedAtMs: nowMs,
    mainAtMs: nowMs,
    standing: 'most',
    heardAtMs: nowMs,
    provenMs: Number.NEGATIVE_INFINITY,
    waking: undefined,
    cutOff: false,
  }
}

/** The licence of now. To be taken anew after every step. */
export function licenceOf(fence: Fence): Licence {
  const { settings, waking, cutOff, tickedAtMs, mainAtMs } = fence
  if (waking || cutOff) return { untilMs: Number.NEGATIVE_INFINITY }
  return {
    untilMs: Math.min(tickedAtMs + settings.gapMs, mainAtMs + settings.mainPatienceMs, contactUntilMs(fence)),
  }
}

/** Until when we count as being in touch with the others. */
function contactUntilMs({ standing, heardAtMs, provenMs, settings }: Fence): number {
  return standing === 'few' ? Math.max(heardAtMs, provenMs) + settings.cutOffMs : Number.POSITIVE_INFINITY
}

export function step(before: Fence, event: FenceEvent, nowMs: number): readonly [Fence, readonly FenceAction[]] {
  const actions: FenceAction[] = []
  const noticed = noticeCutOff(before, nowMs, actions)
  return [noticeRestored(take(noticed, event, nowMs, actions), nowMs, actions), actions]
}

/** Contact was lost for too long. */
function noticeCutOff(fence: Fence, nowMs: number, actions: FenceAction[]): Fence {
  if (fence.cutOff || nowMs < contactUntilMs(fence)) return fence
  actions.push({ kind: 'cutOff' })
  return { ...fence, cutOff: true }
}

function noticeRestored(fence: Fence, nowMs: number, actions: FenceAction[]): Fence {
  if (!fence.cutOff || nowMs >= contactUntilMs(fence)) return fence
  actions.push({ kind: 'restored' }, { kind: 'askSegment' })
  return { ...fence, cutOff: false }
}

function take(fence: Fence, event: FenceEvent, nowMs: number, actions: FenceAction[]): Fence {
  switch (event.kind) {
    case 'tick':
      return tick(fence, event, nowMs, actions)
    case 'standing': {
      const left = fence.standing !== 'few' && event.standing === 'few'
      return { ...fence, standing: event.standing, heardAtMs: left ? nowMs : fence.heardAtMs }
    }
    case 'proven':
      return settle({ ...fence, provenMs: Math.max(fence.provenMs, event.sentMs) }, nowMs, actions)
    case 'main':
      return { ...fence, mainAtMs: Math.max(fence.mainAtMs, event.atMs) }
    case 'answer': {
      const { waking } = fence
      if (!waking || waking.nonce !== event.nonce || !waking.asked.has(event.from)) return fence
      const vouched = event.missesUs ? waking.vouched : new Set([...waking.vouched, event.from])
      return settle(
        { ...fence, waking: { ...waking, vouched, missed: waking.missed || event.missesUs } },
        nowMs,
        actions,
      )
    }
  }
}

function tick(
  fence: Fence,
  event: FenceEvent & { readonly kind: 'tick' },
  nowMs: number,
  actions: FenceAction[],
): Fence {
  const { settings, waking } = fence
  const gapMs = Math.max(nowMs - fence.tickedAtMs, event.leapMs)
  const ticked = { ...fence, tickedAtMs: nowMs }
  // Without a session that is up nobody notices in less than a Lease's time.
  const longest = event.neighbours.length > 0 ? settings.gapMs : settings.mainPatienceMs
  if (gapMs > longest) return wake(ticked, event, gapMs, nowMs, actions)
  if (!waking || waking.asked.size === 0 || nowMs < waking.askedAtMs + settings.askAgainMs) {
    return settle(ticked, nowMs, actions)
  }
  const to = [...waking.asked].filter(run => !waking.vouched.has(run))
  actions.push({ kind: 'question', nonce: waking.nonce, to })
  return settle({ ...ticked, waking: { ...waking, askedAtMs: nowMs } }, nowMs, actions)
}

function wake(
  fence: Fence,
  { nonce, neighbours }: FenceEvent & { readonly kind: 'tick' },
  gapMs: number,
  nowMs: number,
  actions: FenceAction[],
): Fence {
  actions.push({ kind: 'woke', gapMs })
  if (neighbours.length > 0) actions.push({ kind: 'question', nonce, to: neighbours })
  const missed = fence.waking?.missed ?? false
  return {
    ...fence,
    waking: { sinceMs: nowMs, nonce, askedAtMs: nowMs, asked: new Set(neighbours), vouched: new Set(), missed },
  }
}

/** Ends the time after a gap, where enough is known. */
function settle(fence: Fence, nowMs: number, actions: FenceAction[]): Fence {
  const { waking, settings, provenMs, standing } = fence
  if (!waking) return fence
  if (!waking.missed && waking.vouched.size * 2 > waking.asked.size) return { ...fence, waking: undefined }
  const heard = standing !== 'few' && nowMs >= waking.sinceMs + settings.settleMs
  if (!heard && provenMs <= waking.sinceMs) return fence
  actions.push({ kind: 'askSegment' })
  return { ...fence, waking: undefined }
}
