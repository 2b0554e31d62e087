/**
 * The longest waits of tests, in ms: at least ten times the usual duration on a quiet machine. A test that fails because the machine is
 * busy teaches people to ignore failures. A wait ends as soon as its fact is there, so long limits cost a green run nothing.
 */
export const patience = {
  /** An answer, a status, a line in a log, a server that starts again: these take a few seconds. */
  usualMs: 60_000,
  /** Hundreds of pins, elections of JetStream, a node that is given up, a world that boots: these take up to half a minute. */
  longMs: 300_000,
} as const
