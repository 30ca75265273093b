import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { fieldOf, listOf, textOf } from '../kube/json.ts'
import type { Transport } from '../kube/transport.ts'

/*
 * Who may see the page. A bearer token is shown to the API server twice: whose it is (TokenReview), and whether they may
 * `get` the path /berth/status-page (SubjectAccessReview). That path is served by nobody; it is a name that a ClusterRole
 * can grant, and the chart brings one that does.
 *
 * Answers are remembered for some seconds, by a hash of the token, refusals too: a browser asks several times a second,
 * and the API server need not be asked as often. What is remembered is bounded, and so are the questions on their way.
 */

/** What a ClusterRole grants with `nonResourceURLs`. */
export const pagePath = '/berth/status-page'

export type Access =
  | { readonly kind: 'granted'; readonly user: string }
  /** No token, or none that the API server knows. */
  | { readonly kind: 'unknown'; readonly problem: string }
  | { readonly kind: 'forbidden'; readonly problem: string }
  /** Nobody can say at the moment. */
  | { readonly kind: 'undecided'; readonly problem: string }

/** Decides about tokens. */
export interface Gatekeeper {
  readonly decide: (token: string) => Promise<Access>
}

export interface GatekeeperOptions {
  readonly transport: Pick<Transport, 'request'>
  readonly log: Logger
  /** How long an answer is good. Default 10 s. */
  readonly rememberMs?: number
  /** By default the process's clock. */
  readonly nowMs?: () => number
}

const mostRemembered = 256
const mostAtOnce = 8
const reviewWithinMs = 5_000
/** Tokens have one or two kilobytes; what is longer is none. */
const longestToken = 16_384

export function createGatekeeper(options: GatekeeperOptions): Gatekeeper {
  const { transport, log, rememberMs = 10_000, nowMs = () => performance.now() } = options
  const remembered = new Map<string, { readonly access: Promise<Access>; readonly untilMs: number }>()
  let reviewing = 0

  async function review(token: string): Promise<Access> {
    if (reviewing >= mostAtOnce) return { kind: 'undecided', problem: 'too many tokens are being looked at; try again' }
    reviewing++
    try {
      return await ask(token)
    } catch (error) {
      log.warn({ err: error }, 'the API server does not say whether a token may see the status page')
      return { kind: 'undecided', problem: 'the API server does not say whether this token is good; try again' }
    } finally {
      reviewing--
    }
  }

  async function ask(token: string): Promise<Access> {
    const status = await post('authentication.k8s.io', 'TokenReview', 'tokenreviews', { token })
    if (fieldOf(status, 'authenticated') !== true) {
      return { kind: 'unknown', problem: 'the API server does not know this token, or it has expired' }
    }
    const user = fieldOf(status, 'user')
    const name = textOf(fieldOf(user, 'username')) ?? ''
    const verdict = await post('authorization.k8s.io', 'SubjectAccessReview', 'subjectaccessreviews', {
      user: name,
      groups: listOf(fieldOf(user, 'groups')),
      uid: textOf(fieldOf(user, 'uid')),
      extra: fieldOf(user, 'extra'),
      nonResourceAttributes: { path: pagePath, verb: 'get' },
    })
    if (fieldOf(verdict, 'allowed') === true) return { kind: 'granted', user: name }
    return {
      kind: 'forbidden',
      problem: `${name} may not see this page: a ClusterRole has to grant get on ${pagePath}`,
    }
  }

  async function post(group: string, kind: string, plural: string, spec: object): Promise<unknown> {
    const apiVersion = `${group}/v1`
    const path = `/apis/${apiVersion}/${plural}`
    const body = { apiVersion, kind, spec }
    const answer = await transport.request<unknown>({ method: 'POST', path, body, timeoutMs: reviewWithinMs })
    return fieldOf(answer, 'status')
  }

  function forget(key: string, access: Promise<Access>): void {
    if (remembered.get(key)?.access === access) remembered.delete(key)
  }

  return {
    decide(token) {
      if (token === '' || token.length > longestToken) {
        return Promise.resolve({ kind: 'unknown', problem: 'this page wants a token: Authorization: Bearer …' })
      }
      const key = createHash('sha256').update(token).digest('base64')
      const known = remembered.get(key)
      if (known && nowMs() < known.untilMs) return known.access
      const access = review(token)
      remembered.delete(key)
      remembered.set(key, { access, untilMs: nowMs() + rememberMs })
      const oldest = remembered.keys().next()
      if (remembered.size > mostRemembered && !oldest.done) remembered.delete(oldest.value)
      // Who could not be told is told as soon as anybody can.
      void access.then(({ kind }) => kind === 'undecided' && forget(key, access))
      return access
    },
  }
}
