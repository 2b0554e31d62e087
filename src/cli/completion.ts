import { wordArgument } from './arguments.ts'
import { json } from './print.ts'
import { verb, type Entry } from './verb.ts'

const shells = ['bash', 'zsh', 'fish'] as const

/** The verb that prints a completion script for a shell, for these verbs. */
export const completionOf = (verbs: Readonly<Record<string, Entry>>) =>
  verb(
    {
      about: `Prints a script that lets the shell complete verbs, options and their values. The script has all words, so the shell
starts no program while you type. Packages install it where shells find it. Without a package, let the shell read it when the shell
starts.`,
      terms: {
        Installation: [
          ['bash', 'in ~/.bashrc: source <(anchorage completion bash)'],
          ['zsh', 'in ~/.zshrc, after compinit: source <(anchorage completion zsh)'],
          ['fish', 'once: anchorage completion fish > ~/.config/fish/completions/anchorage.fish'],
        ],
      },
      json: '{"shell","script"}.',
      examples: ['completion bash'],
    },
    (bare) => bare.addArgument(wordArgument('<SHELL>', 'the shell', shells, 'completion')),
    async ([shell], _options, io) => {
      // Imported here because it loads every verb, including this one.
      const { scriptFor } = await import('./completion/script-for.ts')
      const script = await scriptFor(shell, verbs)
      io.out(io.json ? json({ shell, script }) : script)
    },
  )
