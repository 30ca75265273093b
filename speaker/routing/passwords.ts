import type { Logger } from 'pino'
import { fieldOf, identityOf, textOf } from '../../kube/json.ts'
import { createStore, type Store, type Stored } from '../../kube/store.ts'
import type { Transport } from '../../kube/transport.ts'
import { watchResource } from '../../kube/watch.ts'
import type { Password } from './peers.ts'

/*
 * The passwords of BGP sessions that stand in Secrets. Each Secret is watched by its name alone, and only while a peer of
 * this node names it: no other Secret ever comes into this process, and an administrator may grant just these by name.
 * What is read is handed on and never logged.
 */

export interface Passwords {
  /** Follows these Secrets and no others. */
  follow(names: ReadonlySet<string>): void
  /** What is known of them now; those that were not read yet are missing. */
  known(): ReadonlyMap<string, Password>
  stop(): Promise<void>
}

export interface PasswordsOptions {
  readonly transport: Transport
  /** Berth's own: Secrets of other namespaces are nobody's business here. */
  readonly namespace: string
  readonly onChange: () => void
  readonly log: Logger
}

/** A Secret that should be there and cannot be read is a problem of its peers, not only a line in a log. */
const lateAfterMs = 3_000

interface Followed {
  readonly password: () => Password | undefined
  readonly stop: () => Promise<void>
}

export function createPasswords(options: PasswordsOptions): Passwords {
  const followed = new Map<string, Followed>()
  const ending = new Set<Promise<void>>()

  function drop(name: string, { stop }: Followed): void {
    followed.delete(name)
    const ended = stop().finally(() => ending.delete(ended))
    ending.add(ended)
  }

  return {
    follow(names) {
      for (const [name, one] of followed) if (!names.has(name)) drop(name, one)
      for (const name of names) if (!followed.has(name)) followed.set(name, followSecret(name, options))
    },
    known() {
      const entries = Array.from(followed, ([name, { password }]) => [name, password()] as const)
      return new Map(entries.flatMap(([name, password]) => (password ? [[name, password]] : [])))
    },
    async stop() {
      for (const [name, one] of followed) drop(name, one)
      await Promise.all(ending)
    },
  }
}

function followSecret(name: string, { transport, namespace, onChange, log }: PasswordsOptions): Followed {
  const store = createStore<BasicAuthSecret>()
  const path = `/api/v1/namespaces/${namespace}/secrets`
  const fieldSelector = `metadata.name=${name}`
  const watch = watchResource({ transport, path, fieldSelector, parse: parseBasicAuthSecret, store, log })
  const ending = new AbortController()
  store.subscribe(onChange)
  void store.synced.then(onChange)
  const running = watch.run(ending.signal)
  const late = setTimeout(onChange, lateAfterMs)
  late.unref()

  return {
    password() {
      const problem = watch.health().lastError
      if (store.hasSynced) return passwordIn(store, name, namespace)
      return problem === undefined ? undefined : { problem: `the Secret "${name}" cannot be read: ${problem}` }
    },
    async stop() {
      clearTimeout(late)
      ending.abort()
      await running
    },
  }
}

function passwordIn(store: Store<BasicAuthSecret>, name: string, namespace: string): Password {
  const create = `kubectl -n ${namespace} create secret generic ${name} --type=${secretType} --from-literal=password=…`
  const secret = store.get(`${namespace}/${name}`)
  if (!secret) return { problem: `there is no Secret "${name}" in namespace ${namespace}; create it: ${create}` }
  if (secret.type !== secretType) {
    return { problem: `the Secret "${name}" is of type ${secret.type}, not ${secretType}; delete it and: ${create}` }
  }
  if (!secret.password) return { problem: `the Secret "${name}" has no key "password", or nothing in it` }
  return { text: secret.password }
}

const secretType = 'kubernetes.io/basic-auth'

/** What of a Secret is kept. */
export interface BasicAuthSecret extends Stored {
  readonly type: string
  readonly password: string | undefined
}

/** The Secret that an object is, or undefined where it is none. Never throws. */
export function parseBasicAuthSecret(object: unknown): BasicAuthSecret | undefined {
  const identity = identityOf(object)
  if (identity === undefined) return undefined
  const { key, uid, resourceVersion } = identity
  const encoded = textOf(fieldOf(fieldOf(object, 'data'), 'password'))
  // A newline at the end comes from the editor or the shell that the Secret was made with: no router has it in its key.
  const password =
    encoded &&
    Buffer.from(encoded, 'base64')
      .toString('utf8')
      .replace(/\r?\n$/, '')
  return { key, uid, resourceVersion, type: textOf(fieldOf(object, 'type')) ?? 'Opaque', password }
}
