import type { Command } from './commands.ts'

/** What may follow the words typed so far. */
interface Step {
  /** Words after `anchorage`; '' for none yet. */
  after: string
  /** Whether these are followed by a verb, which is typed next or not at all; a verb's own options may come later too. */
  isGroup: boolean
  next: { word: string; summary: string }[]
}

/** Completions for bash, by the file name that it looks for. */
export function bashCompletion(commands: readonly Command[]): string {
  return `# bash completion for anchorage
_anchorage() {
  local words
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1}" in
${cases(commands)}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _anchorage anchorage
`
}

/** Completions for zsh. */
export function zshCompletion(commands: readonly Command[]): string {
  return `#compdef anchorage
local words_before="\${(j: :)words[2,CURRENT-1]}" words
case "$words_before" in
${cases(commands)}
esac
compadd -- \${=words} || _files
`
}

/** Completions for fish, with what each word is for. */
export function fishCompletion(commands: readonly Command[]): string {
  const lines = steps(commands).flatMap(({ after, isGroup, next }) =>
    next.map(({ word, summary }) => {
      const told = summary === '' ? '' : ` -d '${summary.replaceAll("'", "\\'")}'`
      const [kind, name] = word.startsWith('--') ? ['-l', word.slice(2)] : ['-f -a', word]
      const when = `__anchorage_${isGroup ? 'at' : 'after'} ${after}`.trim()
      return `complete -c anchorage -n '${when}' ${kind} ${name}${told}`
    }),
  )
  return `# fish completion for anchorage
function __anchorage_at
  set -l words (commandline -opc)
  test "$words[2..]" = "$argv"
end
function __anchorage_after
  set -l words (commandline -opc)[2..]
  test "$words[1..$(count $argv)]" = "$argv"
end
complete -c anchorage -f
${lines.join('\n')}
`
}

/** One arm for each step. */
function cases(commands: readonly Command[]): string {
  return steps(commands)
    .map(({ after, isGroup, next }) => {
      const pattern = isGroup ? `'${after}'` : `'${after}' | '${after} '*`
      return `    ${pattern}) words='${next.map(({ word }) => word).join(' ')}' ;;`
    })
    .join('\n')
}

function steps(commands: readonly Command[]): Step[] {
  const groups = commands.map(({ name }) => name.split(' ')).filter((words) => words.length > 1)
  const names = [...new Set(groups.map(([group = '']) => group))]
  const top = [...membersOf('', commands), ...names.map((word) => ({ word, summary: '' }))]
  return [
    { after: '', isGroup: true, next: top },
    ...names.map((group) => ({ after: group, isGroup: true, next: membersOf(group, commands) })),
    ...commands.map(({ name, actions, options }) => ({
      after: name,
      isGroup: false,
      next: [...actions, ...options].map((word) => ({ word, summary: '' })),
    })),
  ]
}

/** The verbs of a group; of none, those that are in no group. */
function membersOf(group: string, commands: readonly Command[]) {
  const prefix = group === '' ? '' : `${group} `
  return commands
    .filter(({ name }) => name.startsWith(prefix) && !name.slice(prefix.length).includes(' '))
    .map(({ name, summary }) => ({ word: name.slice(prefix.length), summary }))
}
