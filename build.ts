/**
 * `npm run build`: one bundle a program in dist/, with the addon beside the speaker's. What the image holds, and what the
 * benchmarks measure: a bundle starts three times as fast as the sources and needs two thirds of their memory.
 *
 * Run them with `node --max-semi-space-size=4 --max-old-space-size=192 dist/controller.js` (`1` and `192` for the speaker).
 * Node sizes its heap by the machine and lets garbage lie as long as there is room; programs that run beside other
 * people's have to be told to tidy up sooner. 192 MB hold some 30,000 Services; a larger cluster wants more.
 */

import { chmod, copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'
import project from './package.json' with { type: 'json' }
import { makeAssets } from './page/make-assets.ts'
import { version as ownVersion } from './program/version.ts'
import { buildRawsock } from './speaker/rawsock/build.ts'

const root = import.meta.dirname

/** The files of the status page, made now, in place of what makes them when they are first wanted. */
const pageAssets: Plugin = {
  name: 'page-assets',
  setup(build) {
    build.onLoad({ filter: /\/page\/assets\.ts$/ }, async () => ({
      loader: 'js',
      contents: `const assets = ${JSON.stringify(await makeAssets())}\nexport const loadAssets = () => Promise.resolve(assets)\n`,
    }))
  },
}

/** The programs' version as a text, in place of the project's package.json with all that it needs to be built. */
const programVersion = (version: string): Plugin => ({
  name: 'program-version',
  setup(build) {
    const contents = `export const version = ${JSON.stringify(version)}\n`
    build.onLoad({ filter: /\/program\/version\.ts$/ }, () => ({ loader: 'js', contents }))
  },
})

/** Writes the bundles into a folder, instead of older ones, and says what went into which. Without the addon. */
export async function bundle(output: string, version: string = ownVersion): Promise<Metafile> {
  await mkdir(output, { recursive: true })
  for (const entry of await readdir(output, { withFileTypes: true })) {
    // What `npm run image` has written is in a folder of its own.
    if (entry.isFile()) await rm(join(output, entry.name))
  }
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: {
      controller: 'controller/main.ts',
      'page-watcher': 'page/watcher-worker.ts',
      speaker: 'speaker/main.ts',
      'speaker-wire': 'speaker/wire/worker.ts',
      'kubectl-berth': 'cli/main.ts',
    },
    outdir: output,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // What is loaded on demand (client-node, for a kubeconfig file) stays a file of its own, unread in a pod.
    splitting: true,
    chunkNames: '[name]-[hash]',
    // Names stay, so that a stack trace can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    metafile: true,
    plugins: [pageAssets, programVersion(version)],
    // Packages in the old module format ask for `require`, which a module has to make for itself.
    banner: {
      js: "import { createRequire as berthCreateRequire } from 'node:module'; const require = berthCreateRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  await writeFile(join(output, 'package.json'), '{ "type": "module" }\n')
  return metafile
}

/** Writes `kubectl-berth` as one file that runs wherever it is put, and says so where Node is too old for it. */
export async function bundleCommand(output: string): Promise<void> {
  const check = `const [major] = process.versions.node.split('.')
if (Number(major) < 24) { console.error('kubectl-berth needs Node 24 or newer; this is ' + process.version + '.'); process.exit(1) }`
  await build({
    absWorkingDir: root,
    entryPoints: ['cli/main.ts'],
    outfile: join(output, 'kubectl-berth.cjs'),
    bundle: true,
    platform: 'node',
    // Where kubectl finds it it has no extension, which is a script to Node; and the check above must be read before it can run.
    format: 'cjs',
    target: 'node18',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'linked',
    banner: { js: check },
    logLevel: 'error',
  })
  await chmod(join(output, 'kubectl-berth.cjs'), 0o755)
}

/**
 * Lays `kubectl-berth` out as a package of its own, for `npm pack`: that one file and its licences. It depends on nothing, so
 * that npx has nothing to fetch; what this project depends on is in the file already.
 */
export async function layOutCommand(output: string): Promise<void> {
  const folder = join(output, 'kubectl-berth')
  await mkdir(folder, { recursive: true })
  const { version, description, license, engines } = project
  const file = 'kubectl-berth.cjs'
  const manifest = { name: 'kubectl-berth', version, description, license, engines, bin: { 'kubectl-berth': file } }
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  for (const name of [file, `${file}.LEGAL.txt`]) await copyFile(join(output, name), join(folder, name))
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'))
}

if (import.meta.main) {
  const output = join(root, 'dist')
  const metafile = await bundle(output)
  await bundleCommand(output)
  await layOutCommand(output)
  const addon = await buildRawsock()
  await copyFile(addon, join(output, basename(addon)))
  for (const [file, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (!entryPoint || !file.endsWith('.js')) continue
    const { size } = await stat(join(root, file))
    process.stdout.write(`${file.padEnd(40)} ${(size / 1000).toFixed(0).padStart(6)} kB\n`)
  }
}
