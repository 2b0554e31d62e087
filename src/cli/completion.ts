import { wordArgument } from './arguments.ts'
import { json } from './print.ts'
import { verb, type Entry } from './verb.ts'

const shells = ['bash', 'zsh', 'fish'] as const

/** The verb that prints a completion script for a shell, for these verbs. */
export const completionOf = (verbs: Readonly<Record<string, Entry>>) =>
  verb(
    {
      about: `Prints a script with which the shell completes verbs, options and their values. It holds all that may be typed, so nothing is
started while you type. The packages install it where shells look; elsewhere let the shell read it when it starts.`,
      terms: {
        'Where it goes': [
          ['bash', 'in ~/.bashrc: source <(anchorage completion bash)'],
          ['zsh', 'in ~/.zshrc, after compinit: source <(anchorage completion zsh)'],
          ['fish', 'once: anchorage completion fish > ~/.config/fish/completions/anchorage.fish'],
        ],
      },
      json: '{"shell","script"}.',
      examples: ['completion bash'],
    },
    (bare) => bare.addArgument(wordArgument('<SHELL>', 'for which', shells, 'completion')),
    async ([shell], _options, io) => {
      // Imported here because it loads every verb, including this one.
      const { scriptFor } = await import('./completion/script-for.ts')
      const script = await scriptFor(shell, verbs)
      io.out(io.json ? json({ shell, script }) : script)
    },
  )
