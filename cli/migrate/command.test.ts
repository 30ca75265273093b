import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { plain } from '../paint.ts'
import { createProgram } from '../program.ts'

const native = join(import.meta.dirname, '../../test/cli/migrate/native.yaml')
const golden = (name: string): Promise<string> =>
  readFile(join(import.meta.dirname, '../../test/cli/migrate/golden', name), 'utf8')

interface Said {
  readonly out: string
  readonly err: string
  readonly code: number
}

async function berth(...args: readonly string[]): Promise<Said> {
  let [out, err, code] = ['', '', 0]
  const program = createProgram({
    write: text => void (out += text),
    complain: text => void (err += text),
    setExitCode: given => void (code = given),
    environment: { KUBECONFIG: '/nowhere' },
    paint: plain,
  })
  for (const command of [program, ...program.commands]) command.exitOverride()
  await program.parseAsync([...args], { from: 'user' }).catch((error: unknown) => void (err += String(error)))
  return { out, err, code }
}

test('files become objects on standard output, and remarks where they get into no pipe', async () => {
  const { out, err, code } = await berth('migrate', 'from-metallb', '-f', native)
  expect(out).toBe(await golden('native.yaml'))
  expect(err).toContain('Not carried over')
  expect(code).toBe(0)
})

test('or a file each', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-migrate-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const { out } = await berth('migrate', 'from-metallb', '-f', native, '--to-directory', join(folder, 'new'))
  expect(out).toContain('5 IPAddressPools')
  expect(await readdir(join(folder, 'new'))).toContain('ipaddresspool-public.yaml')
  const checked = await berth('validate', '-f', folder)
  expect(checked).toMatchObject({ code: 0, out: expect.stringContaining('12 objects in 12 files checked: no problem') })
})

test('a dry run writes no files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-migrate-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const asked = ['migrate', 'from-metallb', '--dry-run', '--to-directory', join(folder, 'new')]
  for (const source of [[], ['-f', native]]) {
    const { out, err, code } = await berth(...asked, ...source)
    expect({ out, code }).toEqual({ out: '', code: 1 })
    expect(err).toContain('--dry-run writes nothing and --to-directory writes files')
  }
  expect(await readdir(folder)).toEqual([])
})

test('what cannot be meant is refused with what to do', async () => {
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { out, err, code } = await berth('migrate', ...args)
    expect({ out, code }).toEqual({ out: '', code: 1 })
    return err
  }
  expect(await refused('from-metallb', '-f', native, '--apply')).toContain('Pipe what is written into kubectl apply')
  expect(await refused('to-metallb', '-f', native)).toContain('The way back needs no files')
  expect(await refused('from-metallb', '-f', import.meta.filename)).toContain('There is nothing of MetalLB in')
  expect(await refused('from-metallb')).toContain('There is no kubeconfig /nowhere')
})

test('help has examples, and shells complete both directions', async () => {
  expect((await berth('migrate', '--help')).out).toContain('kubectl berth migrate from-metallb --apply')
  const { out } = await berth('completion', 'bash')
  expect(out).toContain("migrate) words='from-metallb to-metallb")
})
