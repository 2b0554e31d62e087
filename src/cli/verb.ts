import type { Command, CommandUnknownOpts, OptionValues } from '@commander-js/extra-typings'
import type { Colors } from 'picocolors/types.js'
import type { Environment } from '../config/sources.ts'
import { withHelp, type Help } from './help.ts'

/** The parts of the process that the command line may use. */
export interface Process {
  env: Environment
  /** Results: standard output. */
  out: (text: string) => void
  /** Everything else that a person reads: standard error. */
  err: (text: string) => void
  /** Set when standard output is a terminal: its current size. */
  terminal: { readonly columns: number; readonly rows?: number } | null
  /** Whether standard error is a terminal too. */
  errIsTerminal?: boolean
  /** Standard input, when it is not the process's own. */
  in?: AsyncIterable<Buffer | string>
  /** Asks the person at the terminal for a line. Not set: there is no terminal. */
  ask?: (question: string) => Promise<string>
  /** Aborts at SIGINT and SIGTERM. */
  signal: AbortSignal
  /** A clean stop may take this much longer than usual before the process is ended hard. */
  allowToStop?: (ms: number) => void
}

/** What a verb may use: its process, and the values of the global options. */
export interface Io extends Process {
  /** `--json`: standard output has JSON and nothing else, a line for each result. */
  json: boolean
  /** `--yes`: every question is answered with yes. */
  yes: boolean
  /** `--wide`: tables are shown in full, however wide that is. */
  wide: boolean
  /** Colours for standard output; without colours, its functions change nothing. */
  paint: Colors
  /** The flags that set options of the config, and `--config FILE`. */
  configFlags: readonly string[]
}

/** One verb's file exports its verb as `command`. */
export interface Verb {
  /** Adds arguments, options and help to a bare command. */
  declare: (bare: Command) => Declared
}

/** A verb in the overview, and how to load its file, which happens only when the verb is used. */
export interface Entry {
  summary: string
  load: () => Promise<{ command: Verb }>
}

/**
 * A command with its arguments and options declared. Once it has parsed the command line, `run` does the work and returns the exit code
 * (undefined means 0).
 */
export interface Declared {
  command: CommandUnknownOpts
  run: (io: Io) => Promise<number | void>
}

/**
 * Makes a verb from its help, its arguments and options, and the function that does its work; `run` gets the parsed arguments with the
 * declared types.
 */
export function verb<Args extends unknown[], Opts extends OptionValues>(
  help: Help,
  declare: (bare: Command) => Command<Args, Opts>,
  run: (args: Args, options: Opts, io: Io) => Promise<number | void>,
): Verb {
  return {
    declare(bare) {
      const command = withHelp(declare(bare), help)
      return { command, run: (io) => run(command.processedArgs, command.opts(), io) }
    },
  }
}

/** The command line is wrong: exit code 2, with a message that says how to correct it. */
export class WrongUse extends Error {}
