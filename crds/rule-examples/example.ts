import type { ConfigKind } from '../config.ts'

/**
 * For each rule that concerns one object alone: a spec that keeps it, one that breaks it, and what the API server answers
 * to that. The API test applies them, the unit test parses them.
 */
export interface RuleExample {
  readonly rule: string
  readonly kind: ConfigKind
  readonly good: object
  readonly bad: object
  /** Part of the API server's answer: what to write instead. */
  readonly answer: string
  /** What parse.ts makes of the good spec where Berth has no use for what the rule is about. */
  readonly kept?: 'used in part'
  /** What parse.ts makes of the bad spec where it does not set it aside, since it is clear what is meant. */
  readonly parsed?: 'used' | 'used in part'
}

/** One of a kind that goes without saying. */
export type Row = Omit<RuleExample, 'kind'>

/** A selector of one label. */
export const labels = (key: string, value: string): object => ({ matchLabels: { [key]: value } })

/** A selector of one requirement. */
export const expression = (requirement: object): object => ({ matchExpressions: [requirement] })

/** A pool of these addresses. */
export const pool = (...addresses: string[]): object => ({ addresses })

/** A peer that is sound, with these fields besides. */
export const peer = (fields: object): object => ({
  myASN: 64512,
  peerASN: 64513,
  peerAddress: '192.0.2.1',
  ...fields,
})
