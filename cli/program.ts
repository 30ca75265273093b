import { Argument, Command, Option } from 'commander'
import { createTransport } from '../kube/transport.ts'
import { type Completable, completionScript, type Shell, shells } from './completion.ts'
import { credentialsFor } from './connect.ts'
import { explainService } from './explain.ts'
import { explanationText } from './explain-text.ts'
import { failureText, UserError } from './failure.ts'
import { readManifests } from './manifests.ts'
import { formatOutput, type OutputFormat } from './output.ts'
import type { Paint } from './paint.ts'
import { peersText, peerViews } from './peers.ts'
import { type Picture, pictureOf } from './picture.ts'
import { poolsText, poolViews } from './pools.ts'
import { readSnapshot } from './read.ts'
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

/** `kubectl-berth` with all its commands. */
export function createProgram(around: Surroundings): Command {
  const { write, complain, paint } = around
  const program = new Command('kubectl-berth')
    .description('Shows what Berth does in a cluster, and why. It changes nothing.')
    .configureOutput({ writeOut: write, writeErr: complain })
    .showHelpAfterError('Try --help.')

  /** Reads the cluster once, makes an answer of it and writes it. */
  async function ask(options: ClusterOptions, answer: (picture: Picture) => string): Promise<void> {
    let server: string | undefined
    try {
      const { kubeconfig, context, namespace, loadBalancerClass } = options
      const credentials = await credentialsFor({ kubeconfig, context }, around.environment)
      server = credentials.server.href
      const transport = createTransport(credentials, { userAgent: 'kubectl-berth' })
      try {
        const snapshot = await readSnapshot(transport, namespace)
        if (!snapshot.labelsByNamespace.has(namespace)) {
          throw new UserError(`There is no namespace ${namespace}. Is Berth installed in another one? Name it with -n.`)
        }
        write(answer(pictureOf(snapshot, loadBalancerClass)))
      } finally {
        transport.close()
      }
    } catch (error) {
      complain(`${failureText(error, { server, namespace: options.namespace })}\n`)
      around.setExitCode(1)
    }
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
    .action(async (options: CommonOptions & { readonly filename: readonly string[] }) => {
      try {
        const { files, manifests, unreadable } = await readManifests(options.filename)
        const validation = validate(manifests, unreadable, { namespace: options.namespace, files })
        write(formatOutput(validation, options.output, () => validationText(validation, paint)))
        if (validation.problems.length > 0) around.setExitCode(1)
      } catch (error) {
        complain(`${failureText(error, { server: undefined, namespace: options.namespace })}\n`)
        around.setExitCode(1)
      }
    })

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

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map(line => `  ${line}\n`).join('')}`
}

function completableOf(command: Command): Completable {
  const words: Readonly<Record<string, readonly string[]>> = { explain: ['service'], completion: shells }
  const name = command.name()
  const options = command.options.flatMap(({ long, short }) => [short, long]).filter(option => option !== undefined)
  return { name, about: command.description(), words: words[name] ?? [], options: [...options, '--help'] }
}
