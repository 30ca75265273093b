import { Argument, Command, Option } from 'commander'
import { createTransport, type Transport } from '../kube/transport.ts'
import { version } from '../program/version.ts'
import { formatObjectName } from './change.ts'
import { type ChangeFiles, readChange, readDump } from './change-files.ts'
import { type Completable, completionScript, type Shell, shells } from './completion.ts'
import { credentialsFor } from './connect.ts'
import { diagnose } from './doctor/diagnose.ts'
import { readFacts } from './doctor/read.ts'
import { doctorText } from './doctor/text.ts'
import { explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { failureText, UserError } from './failure.ts'
import { readManifests } from './manifests.ts'
import { type Direction, directions, type MigrateOptions, migrate } from './migrate/command.ts'
import { formatOutput, type OutputFormat } from './output.ts'
import type { Paint } from './paint.ts'
import { peersText, peerViews } from './peers.ts'
import { type Picture, pictureOf } from './picture.ts'
import { poolsText, poolViews } from './pools.ts'
import { previewOf } from './preview.ts'
import { previewText } from './preview-text.ts'
import { readLists, readSnapshot } from './read.ts'
import { isWell, statusOf } from './status.ts'
import { statusText } from './status-text.ts'
import { validate } from './validate.ts'
import { validationText } from './validate-text.ts'

/** Where the program writes, and what it knows of its surroundings. */
export interface Surroundings {
  readonly write: (text: string) => void
  readonly complain: (text: string) => void
  readonly setExitCode: (code: number) => void
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly paint: Paint
}

interface CommonOptions {
  readonly namespace: string
  readonly output?: OutputFormat
}

interface ClusterOptions extends CommonOptions {
  readonly kubeconfig?: string
  readonly context?: string
  readonly loadBalancerClass?: string
}

interface PreviewCommandOptions extends ClusterOptions, ChangeFiles {
  readonly from?: readonly string[]
}

/** The API server that is asked, once it is known. */
interface Reached {
  server: string | undefined
}

/** `kubectl-berth` with all its commands. */
export function createProgram(around: Surroundings): Command {
  const { write, complain, paint } = around
  const program = new Command('kubectl-berth')
    .description('Shows what Berth does in a cluster, and why. It changes nothing, but for migrate --apply.')
    .version(version, '--version', 'print the version')
    .configureOutput({ writeOut: write, writeErr: complain })
    .showHelpAfterError('Try --help.')

  /** Does a command's work; what goes wrong is told, and the exit code is 1. */
  async function attempt({ namespace }: CommonOptions, work: (reached: Reached) => Promise<void>): Promise<void> {
    const reached: Reached = { server: undefined }
    try {
      await work(reached)
    } catch (error) {
      complain(`${failureText(error, { server: reached.server, namespace })}\n`)
      around.setExitCode(1)
    }
  }

  async function connected<T>(
    { kubeconfig, context }: ClusterOptions,
    reached: Reached,
    use: (transport: Transport) => Promise<T>,
  ): Promise<T> {
    const credentials = await credentialsFor({ kubeconfig, context }, around.environment)
    reached.server = credentials.server.href
    const transport = createTransport(credentials, { userAgent: 'kubectl-berth' })
    try {
      return await use(transport)
    } finally {
      transport.close()
    }
  }

  /** Reads the cluster once, makes an answer of it and writes it. */
  function ask(options: ClusterOptions, answer: (picture: Picture) => string): Promise<void> {
    const { namespace, loadBalancerClass } = options
    return attempt(options, async reached => {
      const snapshot = await connected(options, reached, transport => readSnapshot(transport, namespace))
      if (!snapshot.labelsByNamespace.has(namespace)) throw new UserError(noNamespace(namespace))
      write(answer(pictureOf(snapshot, loadBalancerClass)))
    })
  }

  command('status', 'everything at a glance: programs, pools, Services in trouble, sessions that are down')
    .option('--exit-code', 'end with 1 where anything is not as it should be')
    .addHelpText(
      'after',
      examples('kubectl berth status', 'kubectl berth status --exit-code >/dev/null || page-somebody'),
    )
    .action((options: ClusterOptions & { readonly exitCode?: boolean }) =>
      ask(options, picture => {
        const status = statusOf(picture)
        if (options.exitCode && !isWell(status)) around.setExitCode(1)
        return formatOutput(status, options.output, how => statusText(status, paint, how))
      }),
    )

  command('explain', 'why a Service has its address, or none, and who announces it')
    .argument('<kind>', 'service')
    .argument('<name>', 'NAMESPACE/NAME; a NAME alone is in "default"')
    .addHelpText(
      'after',
      examples('kubectl berth explain service shop/web', 'kubectl berth explain svc shop/web -o json'),
    )
    .action((kind: string, name: string, options: ClusterOptions) =>
      ask(options, picture => {
        if (!['service', 'services', 'svc'].includes(kind)) {
          throw new UserError(`"${kind}" cannot be explained; write: kubectl berth explain service NAMESPACE/NAME`)
        }
        const key = name.includes('/') ? name : `default/${name}`
        const service = picture.snapshot.services.get(key)
        if (!service) throw new UserError(`There is no Service ${key}. "kubectl get services -A" lists them.`)
        const explanation = explainService(picture, service)
        return formatOutput(explanation, options.output, () => explanationText(explanation, paint))
      }),
    )

  command('pools', 'how full each pool is')
    .addHelpText('after', examples('kubectl berth pools', 'kubectl berth pools -o wide'))
    .action((options: ClusterOptions) =>
      ask(options, picture => {
        const pools = poolViews(picture)
        return formatOutput(pools, options.output, how => poolsText(pools, paint, how))
      }),
    )

  command('peers', 'every BGP session, and why those that are down are down')
    .addHelpText('after', examples('kubectl berth peers', 'kubectl berth peers -o wide'))
    .action((options: ClusterOptions) =>
      ask(options, picture => {
        const peers = peerViews(picture)
        return formatOutput(peers, options.output, how => peersText(peers, picture.snapshot.takenAtMs, paint, how))
      }),
    )

  common(
    'validate',
    'checks manifests without a cluster, as the controller would judge them; ends with 1 where any is wrong',
  )
    .requiredOption(
      '-f, --filename <path...>',
      'files, or folders to be read with all that is in them; - is standard input',
    )
    .addHelpText(
      'after',
      examples('kubectl berth validate -f config/', 'kustomize build . | kubectl berth validate -f -'),
    )
    .action((options: CommonOptions & { readonly filename: readonly string[] }) =>
      attempt(options, async () => {
        const { files, manifests, unreadable } = await readManifests(options.filename)
        const validation = validate(manifests, unreadable, { namespace: options.namespace, files })
        write(formatOutput(validation, options.output, () => validationText(validation, paint)))
        if (validation.problems.length > 0) around.setExitCode(1)
      }),
    )

  command(
    'preview',
    'what a change would do to addresses, announcements and routes; ends with 2 where a Service would notice',
  )
    .option(
      '-f, --filename <path...>',
      'manifests that are to be applied: files, or folders with all that is in them; - is standard input',
    )
    .option('--delete <object...>', 'objects that are to be removed: KIND/NAME or service/NAMESPACE/NAME')
    .option('--from <path...>', 'manifests of the cluster as it is, in place of a live one')
    .addHelpText(
      'after',
      `${examples(
        'kubectl berth preview -f change.yaml',
        'kubectl berth preview --delete ipaddresspool/old -f new-pool.yaml',
        'kustomize build . | kubectl berth preview -f - -o json',
        'kubectl berth preview --from dump/ -f change.yaml   # offline; docs/cli.md says how to write the dump',
      )}
Ends with 0 where no Service would notice anything, with 2 where one would: it loses, changes or gets an address, is announced by
other nodes or at other addresses, or routers are told otherwise of it. With 1 where there is no answer.
`,
    )
    .action((options: PreviewCommandOptions) =>
      attempt(options, async reached => {
        const { namespace, loadBalancerClass } = options
        const steps = await readChange(options)
        const cluster = options.from
          ? await readDump(options.from, namespace)
          : await connected(options, reached, transport => readLists(transport, namespace))
        const preview = previewOf(cluster.lists, steps, {
          ...cluster,
          namespace,
          loadBalancerClass,
          nowMs: cluster.takenAtMs,
        })
        const missing = preview.objects.filter(({ outcome }) => outcome === 'notThere')
        if (missing.length > 0) throw new UserError(notThereText(missing.map(({ name }) => formatObjectName(name))))
        write(formatOutput(preview, options.output, how => previewText(preview, paint, how)))
        if (preview.affected.length > 0) around.setExitCode(2)
      }),
    )

  command('doctor', 'what stands in the way of Berth in this cluster, and what to do; ends with 2 where anything fails')
    .addHelpText('after', examples('kubectl berth doctor', 'kubectl berth doctor -o json'))
    .action((options: ClusterOptions) =>
      attempt(options, async reached => {
        const { namespace, loadBalancerClass } = options
        const facts = await connected(options, reached, transport =>
          readFacts(transport, { namespace, loadBalancerClass }),
        )
        const { labelsByNamespace } = facts.picture.snapshot
        if (!labelsByNamespace.has(namespace)) throw new UserError(noNamespace(namespace))
        const findings = diagnose(facts)
        write(formatOutput(findings, options.output, () => doctorText(findings, paint)))
        if (findings.some(({ verdict }) => verdict === 'fail')) around.setExitCode(2)
      }),
    )

  command(
    'migrate',
    'how a cluster moves from MetalLB to Berth, every address staying, and back; converts its configuration',
  )
    .addArgument(new Argument('<direction>').choices(directions))
    .option('--dry-run', 'write nothing, show the plan (as without --apply)')
    .option('--apply', "write Berth's objects, and who announces what")
    .option('--manifests', "write Berth's objects as YAML, for kubectl apply -f -")
    .option('--to-directory <folder>', "write Berth's objects as files, one each")
    .option('-f, --filename <path...>', "MetalLB's manifests in place of a live cluster: files, folders, or - ")
    .option('--metallb-namespace <name>', "MetalLB's own namespace (default: where it is found)")
    .addHelpText(
      'after',
      `${examples(
        'kubectl berth migrate from-metallb                 # the plan: what would change, and what to do next',
        'kubectl berth migrate from-metallb --apply',
        'kubectl berth migrate from-metallb -f metallb/ --to-directory berth/',
        'kubectl berth migrate to-metallb                   # the way back',
      )}
docs/migration.md tells it step by step.
`,
    )
    .action((direction: Direction, options: ClusterOptions & MigrateOptions) =>
      attempt(options, reached =>
        migrate(direction, options.dryRun ? { ...options, apply: false } : options, {
          ...around,
          connected: use => connected(options, reached, use),
        }),
      ),
    )

  program
    .command('completion')
    .description('a script that completes commands and options')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText(
      'after',
      examples(
        'source <(kubectl-berth completion bash)',
        'kubectl-berth completion zsh > ~/.zsh/completions/_kubectl-berth',
        'kubectl-berth completion fish | source',
        'kubectl-berth completion kubectl > ~/.local/bin/kubectl_complete-berth   # for "kubectl berth", then chmod +x',
      ),
    )
    .action((shell: Shell) => write(completionScript(shell, program.commands.map(completableOf))))

  function common(name: string, about: string): Command {
    return program
      .command(name)
      .description(about)
      .option('-n, --namespace <name>', "Berth's own namespace", 'berth-system')
      .addOption(new Option('-o, --output <format>', 'how to write the answer').choices(['json', 'yaml', 'wide']))
  }

  function command(name: string, about: string): Command {
    return common(name, about)
      .option('--kubeconfig <file>', 'the kubeconfig (default: $KUBECONFIG, ~/.kube/config)')
      .option('--context <name>', 'the context of the kubeconfig (default: its current one)')
      .option('--load-balancer-class <class>', 'where the controller runs with this flag: its value')
  }

  return program
}

function noNamespace(namespace: string): string {
  return `There is no namespace ${namespace}. Is Berth installed in another one? Name it with -n.`
}

function notThereText(objects: readonly string[]): string {
  return `There is no ${objects.join(', no ')} to delete. "kubectl get" lists what there is.`
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map(line => `  ${line}\n`).join('')}`
}

function completableOf(command: Command): Completable {
  const words: Readonly<Record<string, readonly string[]>> = {
    explain: ['service'],
    migrate: directions,
    completion: shells,
  }
  const name = command.name()
  const options = command.options.flatMap(({ long, short }) => [short, long]).filter(option => option !== undefined)
  return { name, about: command.description(), words: words[name] ?? [], options: [...options, '--help'] }
}
