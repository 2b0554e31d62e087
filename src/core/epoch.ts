import { AnchorageError } from './errors.ts'

/**
 * What fences the writes of a leader: the number of its epoch and the random id of its term, as `17:9f86d081-…`. A database that went back
 * in time may give the same number to a second leader, but no other term has the same id (ADR 65). An epoch that was taken by a node of
 * the version before, or by hand, is a bare number.
 */
export type Epoch = string & { readonly __epoch: true }

/** The epoch that `text` spells. */
export function epochOf(text: string): Epoch {
  if (!isEpoch(text)) throw new AnchorageError('internal', `not an epoch: ${text}`)
  return text
}

/** The number of an epoch, for people: logs, metrics and reports show it. It fences nothing. */
export function numberOf(epoch: Epoch): number {
  return Number.parseInt(epoch, 10)
}

function isEpoch(text: string): text is Epoch {
  return /^\d+(:.+)?$/.test(text)
}
