/** The shells for which there is a completion script; `kubectl` is for `kubectl berth` in any of them. */
export const shells = ['bash', 'zsh', 'fish', 'kubectl'] as const
export type Shell = (typeof shells)[number]

/** What there is to complete: a command, its options, and the words that may stand behind it. */
export interface Completable {
  readonly name: string
  readonly about: string
  readonly options: readonly string[]
  readonly words: readonly string[]
}

/** A script that completes `kubectl-berth`. */
export function completionScript(shell: Shell, commands: readonly Completable[]): string {
  switch (shell) {
    case 'bash':
      return bash(commands)
    case 'zsh':
      return `#compdef kubectl-berth\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`
    case 'fish':
      return fish(commands)
    case 'kubectl':
      return kubectl(commands)
  }
}

function bash(commands: readonly Completable[]): string {
  return `# source <(kubectl-berth completion bash)
_kubectl_berth() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words
  case "$previous" in
    -f|--filename|--from|--kubeconfig) COMPREPLY=($(compgen -f -- "$current")); return ;;
    -o|--output) COMPREPLY=($(compgen -W 'json yaml wide' -- "$current")); return ;;
  esac
  case "\${COMP_WORDS[1]}" in
${cases(commands, (name, words) => `    ${name}) words='${words}' ;;`)}
    *) words='${commands.map(({ name }) => name).join(' ')}' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _kubectl_berth kubectl-berth
`
}

function fish(commands: readonly Completable[]): string {
  const lines = commands.flatMap(({ name, about, options, words }) => [
    `complete -c kubectl-berth -f -n __fish_use_subcommand -a ${name} -d '${about.replaceAll("'", '’')}'`,
    ...words.map(word => `complete -c kubectl-berth -f -n '__fish_seen_subcommand_from ${name}' -a ${word}`),
    ...options.map(option => {
      const form = option.startsWith('--') ? `-l ${option.slice(2)}` : `-s ${option.slice(1)}`
      return `complete -c kubectl-berth -n '__fish_seen_subcommand_from ${name}' ${form}`
    }),
  ])
  return `# kubectl-berth completion fish | source\n${lines.join('\n')}\n`
}

/** What kubectl asks of a plugin's helper: a word a line, and how to go on (4: no file names). */
function kubectl(commands: readonly Completable[]): string {
  return `#!/bin/sh
# Save as kubectl_complete-berth, executable, in a folder of PATH: kubectl asks it for what stands behind "kubectl berth".
if [ $# -le 1 ]; then
  printf '%s\\n' ${commands.map(({ name }) => name).join(' ')}
else
  case "$1" in
${cases(commands, (name, words) => `    ${name}) printf '%s\\n' ${words} ;;`)}
  esac
fi
echo :4
`
}

function cases(commands: readonly Completable[], line: (name: string, words: string) => string): string {
  return commands.map(({ name, words, options }) => line(name, [...words, ...options].join(' '))).join('\n')
}
