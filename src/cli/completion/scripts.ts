import type { KnownVerb, Word } from './words.ts'

/** The words that completions are made of. */
export interface Known {
  verbs: readonly KnownVerb[]
  /** The flags of the config, for every verb that takes it. */
  configFlags: readonly Word[]
}

/** The words that may follow the words typed so far. */
interface Step {
  /** The words after `anchorage`; empty when there are none yet. */
  after: string
  /** Whether the next word completes the name of a verb. Such a word can only come next, while a verb's own options may also come later. */
  isGroup: boolean
  next: readonly Word[]
  takesConfig: boolean
}

/** The completion script for bash. It holds every word that may be typed, so it never starts the program. */
export function bashCompletion(known: Known): string {
  return `# bash completion for anchorage
_anchorage() {
  local word before='' words='' last="\${COMP_WORDS[COMP_CWORD-1]}" config='${configWords(known)}'
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || before+="\${before:+ }$word"
  done
${nextWords(known)}  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _anchorage anchorage
`
}

/** The completion script for zsh. */
export function zshCompletion(known: Known): string {
  return `#compdef anchorage
_anchorage() {
  local before="\${(j: :)\${(@)words[2,CURRENT-1]:#-*}}" last="\${words[CURRENT-1]}" config='${configWords(known)}'
  local words=''
${nextWords(known)}  compadd -- \${=words} || _files
}
if [ "$funcstack[1]" = _anchorage ]; then _anchorage "$@"; else compdef _anchorage anchorage; fi
`
}

/** The completion script for fish, with a description of each word. */
export function fishCompletion(known: Known): string {
  const lines = steps(known.verbs).flatMap(({ after, isGroup, next }) =>
    next.map(({ word, summary }) => {
      const when = `__anchorage_${isGroup ? 'at' : 'after'} ${after}`.trim()
      return fishLine(when, word, summary)
    }),
  )
  const configured = known.verbs.filter(({ takesConfig }) => takesConfig).map(({ name }) => `'${name}'`)
  const flags = known.configFlags.map(({ word, summary }) =>
    fishLine('__anchorage_takes_config', word, summary, '-r'),
  )
  const chosen = known.verbs.flatMap(({ name, options }) =>
    options.map(({ word, choices }) =>
      choices.length === 0
        ? ''
        : `complete -c anchorage -n '__anchorage_after ${name}' -l ${word.slice(2)} -x -a '${choices.join(' ')}'\n`,
    ),
  )
  return `# fish completion for anchorage
function __anchorage_words
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; or echo $word
  end
end
function __anchorage_at
  set -l words (__anchorage_words)
  test "$words" = "$argv"
end
function __anchorage_after
  set -l words (__anchorage_words)
  test "$words[1..$(count $argv)]" = "$argv"
end
function __anchorage_takes_config
  for verb in ${configured.join(' ')}
    __anchorage_after (string split ' ' $verb); and return 0
  end
  return 1
end
complete -c anchorage -f
${lines.join('\n')}
${flags.join('\n')}
${chosen.join('')}`
}

function fishLine(when: string, word: string, summary: string, more = ''): string {
  const told = summary === '' ? '' : ` -d '${summary.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const [kind, name] = word.startsWith('--') ? ['-l', word.slice(2)] : ['-f -a', word]
  return `complete -c anchorage -n '${when}' ${kind} ${name}${more === '' ? '' : ` ${more}`}${told}`
}

/** Sets `words` to those that may follow `before` and `last`; bash and zsh read the same. */
function nextWords(known: Known): string {
  return `  case "$before" in
${cases(known)}
  esac
  case "$before|$last" in
${values(known)}
  esac
`
}

/** One arm of the `case` for each step. */
function cases({ verbs }: Known): string {
  return steps(verbs)
    .map(({ after, isGroup, next, takesConfig }) => {
      const pattern = isGroup ? `'${after}'` : `'${after}' | '${after} '*`
      const words = next.map(({ word }) => word).join(' ')
      return `    ${pattern}) words=${takesConfig ? `"${words} $config"` : `'${words}'`} ;;`
    })
    .join('\n')
}

/**
 * An arm for each option whose value is one of a few words. An option with any other value gets an arm without words, because no word
 * above fits.
 */
function values({ verbs }: Known): string {
  return verbs
    .flatMap(({ name, options }) => {
      const at = (word: string): string => `'${name}'*'|${word}'`
      const few = options.filter(({ choices }) => choices.length > 0)
      const free = options.filter(({ takesValue, choices }) => takesValue && choices.length === 0)
      return [
        ...few.map(({ word, choices }) => `    ${at(word)}) words='${choices.join(' ')}' ;;`),
        ...(free.length === 0 ? [] : [`    ${free.map(({ word }) => at(word)).join(' | ')}) words='' ;;`]),
      ]
    })
    .join('\n')
}

function configWords({ configFlags }: Known): string {
  return configFlags.map(({ word }) => word).join(' ')
}

function steps(verbs: readonly KnownVerb[]): Step[] {
  const split = verbs.map(({ name }) => name.split(' ')).filter((words) => words.length > 1)
  const names = [...new Set(split.map(([group = '']) => group))]
  const top = [...membersOf('', verbs), ...names.map((word) => ({ word, summary: '' }))]
  return [
    { after: '', isGroup: true, next: top, takesConfig: false },
    ...names.map((group) => ({
      after: group,
      isGroup: true,
      next: membersOf(group, verbs),
      takesConfig: false,
    })),
    ...verbs.map(({ name, choices, options, takesConfig }) => ({
      after: name,
      isGroup: false,
      next: [...choices.map((word) => ({ word, summary: '' })), ...options],
      takesConfig,
    })),
  ]
}

/** The verbs of a group; for the empty group, the verbs that belong to no group. */
function membersOf(group: string, verbs: readonly KnownVerb[]): Word[] {
  const prefix = group === '' ? '' : `${group} `
  return verbs
    .filter(({ name }) => name.startsWith(prefix) && !name.slice(prefix.length).includes(' '))
    .map(({ name, summary }) => ({ word: name.slice(prefix.length), summary }))
}
