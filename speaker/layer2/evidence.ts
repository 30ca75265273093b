/*
 * Who has this address? Asked on the segment before an address is taken over (an ARP probe, or a Neighbor Solicitation from
 * the unspecified address, so that nobody's cache changes by the question), a few times, tens of milliseconds apart. An
 * owner that still answers is alive, whatever was heard of it; silence to every question confirms that it is gone.
 *
 * Two speakers may want the same address at the same time, since their views differ for a moment. They hear each other's
 * questions, and the one that scores lower for the address lets the other have it.
 *
 * One question per interface that the address is to be announced on; interfaces without a carrier tell nothing.
 */

export interface EvidenceSettings {
  readonly tries: number
  /** Between two questions, and after the last. */
  readonly spacingMs: number
}

/** The owner's answer takes well under a millisecond; two lost ones of three are made good. */
export const defaultEvidenceSettings: EvidenceSettings = { tries: 3, spacingMs: 10 }

/** What came of the question, for one address. */
export type Finding =
  /** Nobody answered on any interface. */
  | { readonly kind: 'silent' }
  /** Somebody has it: the hardware address in text. */
  | { readonly kind: 'answered'; readonly interface: string; readonly mac: string }
  /** Another station asks as we do, and goes before us. */
  | { readonly kind: 'rival'; readonly interface: string; readonly mac: string }
  /** None of the interfaces has a carrier. */
  | { readonly kind: 'noLink' }

/** A question under way. */
export interface Inquiry {
  readonly settings: EvidenceSettings
  /** Interfaces to ask on. */
  readonly interfaces: readonly string[]
  readonly asked: number
  /** When the next question leaves; after the last, when silence is certain. */
  readonly nextAtMs: number
  readonly finding: Finding | undefined
}

export type EvidenceEvent =
  /** `nextAtMs` has passed. */
  | { readonly kind: 'due' }
  /** An answer, or an announcement, that says another station has the address. Our own stations' are left out. */
  | { readonly kind: 'answered'; readonly interface: string; readonly mac: string }
  /** Another station's question for the same address. `yields` = it goes before us (`goesBefore`). */
  | { readonly kind: 'asked'; readonly interface: string; readonly mac: string; readonly yields: boolean }
  /** These are the interfaces with a carrier now. */
  | { readonly kind: 'interfaces'; readonly interfaces: readonly string[] }

export interface EvidenceAction {
  readonly kind: 'ask'
  readonly interfaces: readonly string[]
}

/** The first question leaves at once. */
export function startInquiry(
  interfaces: readonly string[],
  settings: EvidenceSettings,
  nowMs: number,
): readonly [Inquiry, readonly EvidenceAction[]] {
  const inquiry: Inquiry = { settings, interfaces, asked: 0, nextAtMs: nowMs, finding: undefined }
  return interfaces.length === 0
    ? [{ ...inquiry, finding: { kind: 'noLink' } }, []]
    : step(inquiry, { kind: 'due' }, nowMs)
}

/** An inquiry with a finding is over and changes no more. */
export function step(
  inquiry: Inquiry,
  event: EvidenceEvent,
  nowMs: number,
): readonly [Inquiry, readonly EvidenceAction[]] {
  if (inquiry.finding) return [inquiry, []]
  const { settings, interfaces, asked } = inquiry
  switch (event.kind) {
    case 'due': {
      if (nowMs < inquiry.nextAtMs) return [inquiry, []]
      if (asked >= settings.tries) return [{ ...inquiry, finding: { kind: 'silent' } }, []]
      // By the plan, not by when the last one left: being late must not add up. But never two in one breath.
      const nextAtMs = Math.max(inquiry.nextAtMs + settings.spacingMs, nowMs + settings.spacingMs / 2)
      const next = { ...inquiry, asked: asked + 1, nextAtMs }
      return [next, [{ kind: 'ask', interfaces }]]
    }
    case 'answered': {
      const { interface: on, mac } = event
      return interfaces.includes(on)
        ? [{ ...inquiry, finding: { kind: 'answered', interface: on, mac } }, []]
        : [inquiry, []]
    }
    case 'asked': {
      const { interface: on, mac } = event
      if (!event.yields || !interfaces.includes(on)) return [inquiry, []]
      return [{ ...inquiry, finding: { kind: 'rival', interface: on, mac } }, []]
    }
    case 'interfaces': {
      const left = interfaces.filter(name => event.interfaces.includes(name))
      if (left.length === interfaces.length) return [inquiry, []]
      return [{ ...inquiry, interfaces: left, ...(left.length === 0 && { finding: { kind: 'noLink' } }) }, []]
    }
  }
}
