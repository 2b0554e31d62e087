import type { Command, CommandUnknownOpts, OptionValues } from '@commander-js/extra-typings'
import type { Colors } from 'picocolors/types.js'
import type { Environment } from '../app/config-sources.ts'

/** What the command line may touch of its process. */
export interface Process {
  env: Environment
  /** Results: standard output. */
  out: (text: string) => void
  /** Everything else that a person reads: standard error. */
  err: (text: string) => void
  /** Standard output is a terminal, so wide and so high as it is now. */
  terminal: { readonly columns: number; readonly rows?: number } | null
  /** Standard error is a terminal, too. */
  errIsTerminal?: boolean
  /** Standard input, where that is not the process's own. */
  in?: AsyncIterable<Buffer | string>
  /** Asks whoever sits there for a line. Left out: nobody does. */
  ask?: (question: string) => Promise<string>
  /** Aborts at SIGINT and SIGTERM. */
  signal: AbortSignal
}

/** What a verb may touch: its process, and what the options that every verb has said. */
export interface Io extends Process {
  /** `--json`: standard output has JSON and nothing else, a line for each result. */
  json: boolean
  /** `--yes`: every question is answered with yes. */
  yes: boolean
  /** `--wide`: tables are shown in full, however wide that is. */
  wide: boolean
  /** Colours for standard output; none where there should be none. */
  paint: Colors
  /** The flags that stand for options of the config, and `--config FILE`. */
  configFlags: readonly string[]
}

/** One verb's file exports its verb as `command`. */
export interface Verb {
  /** Adds arguments, options and what help tells of them to a bare command. */
  declare: (bare: Command) => Declared
}

/** A verb in the overview, and the file that is loaded only when it is asked for. */
export interface Entry {
  summary: string
  load: () => Promise<{ command: Verb }>
}

/** A command that knows what may be typed. Once it has read that, `run` does it and returns the exit code (nothing means 0). */
export interface Declared {
  command: CommandUnknownOpts
  run: (io: Io) => Promise<number | void>
}

/** A verb of its declaration and of what it does; what was typed reaches `run` with the types declared. */
export function verb<Args extends unknown[], Opts extends OptionValues>(
  declare: (bare: Command) => Command<Args, Opts>,
  run: (args: Args, options: Opts, io: Io) => Promise<number | void>,
): Verb {
  return {
    declare(bare) {
      const command = declare(bare)
      return { command, run: (io) => run(command.processedArgs, command.opts(), io) }
    },
  }
}

/** The command line cannot be meant like this: exit code 2, with how to put it right. */
export class WrongUse extends Error {}
