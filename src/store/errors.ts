import { AnchorageError } from '../core/errors.ts'

/** The SQLSTATE of a driver's error, if it has one. */
export function sqlState(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** Deadlocks and serialization failures: the transaction was rolled back and may simply run again. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** A migration changed the result of a statement that this connection had prepared before. Another connection may take it. */
export function isStalePlan(error: unknown): boolean {
  return error instanceof Error && 'routine' in error && error.routine === 'RevalidateCachedQuery'
}

/**
 * Whether a session continues as before after `error`, once its transaction is rolled back. True for errors of the data, a lock, a limit or
 * our own rules. Any other error may belong to the session (it became read-only, it is being ended, its role, plans or statements are not
 * what they were, its answers are out of step), and the next user of the session would meet it again.
 */
export function leavesSessionWhole(error: unknown): boolean {
  if (error instanceof AnchorageError) return error.cause === undefined || leavesSessionWhole(error.cause)
  return /^(21|22|23|40|53|54|55|57014|P0|AN)/.test(sqlState(error) ?? '')
}

/** Data that this statement can never take (bad text, too long for an index): the fault of an item, not of the database. */
export function isBadData(error: unknown): boolean {
  const state = sqlState(error instanceof AnchorageError ? error.cause : error) ?? ''
  return /^(22|23|54)/.test(state)
}

/** A driver's error in our words; `AnchorageError` and our own mistakes are returned unchanged. */
export function translate(error: unknown): Error {
  if (error instanceof AnchorageError || error instanceof TypeError || error instanceof RangeError)
    return error
  const state = sqlState(error)
  if (state === 'AN001') return runsAhead(error)
  if (state === 'AN002')
    return new AnchorageError('not_leading', 'another leader has been elected', { cause: error })
  // our SQL raises these with a message in our own words
  if (state === 'AN003') return new AnchorageError('maintenance', messageOf(error), { cause: error })
  if (state === 'AN004') return new AnchorageError('conflict', messageOf(error), { cause: error })
  if (state === '25006')
    return new AnchorageError('unavailable', 'the database is read-only at the moment; try again', {
      cause: error,
      retryAfterSeconds: 5,
    })
  if (state && /^(22|23|42|54|XX|AN)/.test(state))
    return new AnchorageError('internal', 'the database refused a statement', { cause: error })
  // 08 connection, 53 resources, 57 shutdown and timeouts, 55 locks, 40 rollbacks, and every error of the socket
  return new AnchorageError('unavailable', 'the database cannot be reached; try again', {
    cause: error,
    retryAfterSeconds: 5,
  })
}

/** An org's `created` may be this far ahead of the clock (accept_pins). */
const aheadSeconds = 600

/**
 * Accepts of one org alone hardly exceed the limit, since they are refused from there on. Further ahead than that, the clock of the
 * database was ahead when the org's newest pin was made.
 */
function runsAhead(error: unknown): AnchorageError {
  const ahead = Number(/[\d.]+$/.exec(messageOf(error))?.[0])
  const isClock = ahead > aheadSeconds + 30
  const retryAfterSeconds = isClock ? Math.ceil(ahead - aheadSeconds) : 60
  const message = isClock
    ? `the newest pin of this org was created while the clock of the database was ahead, and is dated ` +
      `${Math.round(ahead / 60)} minutes from now; the org can create pins again in ` +
      `${Math.ceil(retryAfterSeconds / 60)} minutes`
    : 'this org creates pins faster than one a millisecond; slow down'
  return new AnchorageError('too_many', message, {
    cause: error,
    retryAfterSeconds,
    bound: 'pins made ahead of the clock',
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
