import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { allocatorSection } from './allocator.ts'
import { answersSection } from './answers-section.ts'
import { bfdAlarmsSection } from './bfd-alarms.ts'
import { bgpSection } from './bgp-section.ts'
import { controllerSection } from './controller-section.ts'
import { detectorSection } from './detector-alarms.ts'
import { imageSection } from './image-section.ts'
import { installSection } from './install-section.ts'
import { conflictSection } from './layer2/conflict.ts'
import { manySection } from './layer2/many.ts'
import { restSection } from './layer2/rest-section.ts'
import { layer2Section } from './layer2/section.ts'
import { sharingSection } from './layer2/sharing.ts'
import { withoutApiSection } from './layer2/without-api.ts'
import { pageSection } from './page-section.ts'
import { machineLine, withSections } from './report.ts'
import { speakerSection } from './speaker-section.ts'

/** A part of docs/benchmarks.md: measured now, and described in words that stay true whatever the numbers are. */
type Section = (options: { readonly quick: boolean; readonly progress: (line: string) => void }) => Promise<string>

const head = `# Benchmarks

Written by \`npm run bench\`; nothing here is typed in by hand. Ratios are what counts: each table holds the peer or the
limit that was measured in the same run, on the same machine, minutes apart.
`

const sections: Readonly<Record<string, Section>> = {
  allocator: allocatorSection,
  answers: answersSection,
  controller: controllerSection,
  speaker: speakerSection,
  layer2: layer2Section,
  withoutApi: withoutApiSection,
  many: manySection,
  rest: restSection,
  sharing: sharingSection,
  conflict: conflictSection,
  bgp: bgpSection,
  bfd: bfdAlarmsSection,
  detector: detectorSection,
  image: imageSection,
  install: installSection,
  page: pageSection,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
})
const unknown = positionals.filter(name => !(name in sections))
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) process.stdout.write(`There is no benchmark called ${unknown.join(' or ')}.\n\n`)
  process.stdout.write(`npm run bench -- [--quick] [${Object.keys(sections).join('] [')}]

Writes what it measured into docs/benchmarks.md; without a name everything, which takes hours (bfd alone
ten minutes, detector thirty, layer2 fifty) and wants a quiet machine. With --quick (a tenth of the size, to see that it works) the tables are only printed.
`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

const chosen = Object.entries(sections).filter(([name]) => positionals.length === 0 || positionals.includes(name))
const machine = await machineLine()
process.stdout.write(`Measuring on ${machine}\n`)
process.stdout.write('building the bundles that the image holds\n')
await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../build.ts')])

const texts: string[] = []
for (const [name, measure] of chosen) {
  process.stdout.write(`\n${name}\n`)
  const text = await measure({ quick: values.quick, progress: line => process.stdout.write(`  ${line}\n`) })
  process.stdout.write(`\n${text}\n`)
  texts.push(`${text}\nMeasured on ${machine}.\n`)
}
if (!values.quick) {
  const file = join(import.meta.dirname, '../../docs/benchmarks.md')
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, withSections(await readFile(file, 'utf8').catch(() => head), texts))
  process.stdout.write('\ndocs/benchmarks.md is written\n')
}
process.exit(0)
