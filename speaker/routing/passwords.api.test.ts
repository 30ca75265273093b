import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadCredentials } from '../../kube/credentials.ts'
import { createTransport } from '../../kube/transport.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane/control-plane.ts'
import { createPasswords, type Passwords } from './passwords.ts'

let controlPlane: ControlPlane
let namespace: string
let tests = 0

beforeAll(async () => {
  controlPlane = await startControlPlane()
})
afterAll(async () => await controlPlane.stop())
beforeEach(async () => {
  namespace = `passwords-${++tests}`
  await controlPlane.kubectl(['create', 'namespace', namespace])
})

const soon = { timeout: 15_000, interval: 20 }

async function follow(names: readonly string[], user?: string): Promise<{ passwords: Passwords; log: string[] }> {
  const transport = createTransport(await loadCredentials(await controlPlane.kubeconfig(user)))
  const log: string[] = []
  const passwords = createPasswords({
    transport,
    namespace,
    onChange: () => {},
    log: pino({ level: 'trace' }, { write: line => void log.push(line) }),
  })
  onTestFinished(async () => {
    await passwords.stop()
    transport.close()
  })
  passwords.follow(new Set(names))
  return { passwords, log }
}

async function createSecret(name: string, password: string, type = 'kubernetes.io/basic-auth'): Promise<void> {
  const stringData = { password }
  await controlPlane.kubectl(['apply', '-n', namespace, '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type, stringData }),
  })
}

describe('a Secret', () => {
  test('that is not there is a problem with the command that makes it; once it is there it is read, and every change of it', async () => {
    const { passwords, log } = await follow(['tor'])
    expect(passwords.known()).toEqual(new Map())
    await vi.waitFor(() => expect(passwords.known().get('tor')).toBeDefined(), soon)
    const missing = passwords.known().get('tor')
    const problem = missing && 'problem' in missing ? missing.problem : ''
    expect(problem).toContain(`there is no Secret "tor" in namespace ${namespace}`)
    // As an admin would do it.
    const command = /kubectl (.*)$/.exec(problem)?.[1]?.replace('…', 'from-the-message') ?? ''
    await controlPlane.kubectl(command.split(' '))
    await vi.waitFor(() => expect(passwords.known().get('tor')).toEqual({ text: 'from-the-message' }), soon)
    await createSecret('tor', 'changed')
    await vi.waitFor(() => expect(passwords.known().get('tor')).toEqual({ text: 'changed' }), soon)
    await controlPlane.kubectl(['delete', 'secret', 'tor', '-n', namespace])
    await vi.waitFor(() => expect(passwords.known().get('tor')).toHaveProperty('problem'), soon)
    expect(log.join('')).not.toMatch(/from-the-message|changed/)
  })

  test.each([
    {
      situation: 'of another type',
      type: 'Opaque',
      password: 'x',
      says: 'is of type Opaque, not kubernetes.io/basic-auth',
    },
    { situation: 'without a password', type: 'kubernetes.io/basic-auth', password: '', says: 'has no key "password"' },
  ])('$situation is refused in words', async ({ type, password, says }) => {
    await createSecret('tor', password, type)
    const { passwords } = await follow(['tor'])
    await vi.waitFor(
      () => expect(passwords.known().get('tor')).toEqual({ problem: expect.stringContaining(says) }),
      soon,
    )
  })

  test('that was made with a newline at its end is read without', async () => {
    await createSecret('tor', 'secret\n')
    const { passwords } = await follow(['tor'])
    await vi.waitFor(() => expect(passwords.known().get('tor')).toEqual({ text: 'secret' }), soon)
  })

  test('that the speaker may not read is a problem that says so', async () => {
    const { passwords } = await follow(['tor'], 'nobody')
    const forbidden = { problem: expect.stringMatching(/cannot be read: .*forbidden/) }
    await vi.waitFor(() => expect(passwords.known().get('tor')).toEqual(forbidden), soon)
  })

  test('is read by its name alone: rights for that one Secret are enough, and no other is seen', async () => {
    await createSecret('tor', 'one')
    await createSecret('other', 'two')
    const role = ['--verb=list,watch', '--resource=secrets', '--resource-name=tor', '-n', namespace]
    await controlPlane.kubectl(['create', 'role', 'tor', ...role])
    await controlPlane.kubectl(['create', 'rolebinding', 'tor', '--role=tor', '--user=careful', '-n', namespace])
    const { passwords } = await follow(['tor'], 'careful')
    await vi.waitFor(() => expect(passwords.known()).toEqual(new Map([['tor', { text: 'one' }]])), soon)
    passwords.follow(new Set(['tor', 'other']))
    await vi.waitFor(() => expect(passwords.known().get('other')).toHaveProperty('problem'), soon)
    passwords.follow(new Set())
    expect(passwords.known()).toEqual(new Map())
  })
})
