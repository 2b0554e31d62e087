import type { Environment } from '../app/config-sources.ts'

/** What a verb may touch of its process. */
export interface Io {
  env: Environment
  /** Results: standard output. */
  out: (text: string) => void
  /** Everything else that a person reads: standard error. */
  err: (text: string) => void
  /** Standard output is a terminal, `columns` wide. */
  terminal: { columns: number } | null
  /** Standard input, where that is not the process's own. */
  in?: AsyncIterable<Buffer | string>
  /** Asks whoever sits there for a line. Left out: nobody does. */
  ask?: (question: string) => Promise<string>
  /** Aborts at SIGINT and SIGTERM. */
  signal: AbortSignal
}

/** One verb's file: how it is used, and what it does. `run` returns the exit code (nothing means 0). */
export interface Verb {
  usage: string
  run(argv: string[], io: Io): Promise<number | void>
}

/** The command line cannot be meant like this: exit code 2, with how to put it right. */
export class WrongUse extends Error {}
