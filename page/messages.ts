import type { ViewAnswer, ViewRequest } from './answer.ts'

/** What the thread that watches and makes views is started with. */
export interface WatcherData {
  readonly kubeconfig: string | undefined
  readonly namespace: string
  readonly loadBalancerClass: string | undefined
  readonly logLevel: string
}

/** To the thread. */
export type WatcherCommand =
  | { readonly kind: 'ask'; readonly id: number; readonly request: ViewRequest }
  | { readonly kind: 'stop' }

/** From the thread. */
export type WatcherReport =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: ViewAnswer; readonly tag: string }
  /** Something has changed: the overview as it is now, as JSON. */
  | { readonly kind: 'changed'; readonly overview: string; readonly nowMs: number }
