import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseCRD } from '../cli/doctor/parse.ts'
import type { ConfigKind } from './config.ts'
import { plurals } from './resources.ts'
import { specFields } from './spec-fields.ts'

test.each(Object.keys(specFields) as ConfigKind[])('the fields of %s are those of its schema', kind => {
  const file = readFileSync(join(import.meta.dirname, `${plurals[kind]}.yaml`), 'utf8')
  const schema = parseCRD(parse(file, { maxAliasCount: 1000 }))?.specFields ?? []
  expect([...specFields[kind]].sort()).toEqual([...schema].sort())
})
