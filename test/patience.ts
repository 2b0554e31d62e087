/**
 * How long the waits of tests last, in ms: ten times, and more, what each takes on a quiet machine, since a test that is red because
 * the machine was busy teaches everybody to look away. A wait ends as soon as its fact is there, so patience costs a green run nothing.
 */
export const patience = {
  /** An answer, a status, a line in a log, a server that starts again: a few seconds. */
  usualMs: 60_000,
  /** Hundreds of pins, elections of JetStream, a node that is given up, a world that boots: up to half a minute. */
  longMs: 300_000,
} as const
