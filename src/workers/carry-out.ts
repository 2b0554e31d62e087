import { backoffMs } from './backoff.ts'
import { IpfsError } from '../core/ipfs-error.ts'
import type { PinErrorCode } from '../core/pin.ts'
import type { Claim, Outcome } from '../core/placement.ts'
import type { Ipfs } from '../core/ports.ts'
import type { Attempt, AttemptLimits } from './attempt.ts'
import type { Dialler } from './dialler.ts'
import type { Room } from './room.ts'

/** What an attempt is carried out with. */
export interface CarryOutParts {
  ipfs: Ipfs
  dialler: Dialler
  limits: AttemptLimits
  room: Room
  steadyMs: () => number
  /** True while nothing may be removed, because the database was restored. */
  isRestored: () => Promise<boolean>
  /** Whether pins want the content and no other node has a copy that counts. */
  isLastCopy: (cid: string) => Promise<boolean>
  random: () => number
  /** Called when a new block has arrived. */
  onBlock: (attempt: Attempt) => void
  /** Called when Kubo, and not the content, was at fault. */
  onKuboDown: (error: IpfsError) => void
}

const noRoom = 'this node has no room left'

/** Does in Kubo what the claim says. Never rejects. */
export async function carryOut(attempt: Attempt, claim: Claim, parts: CarryOutParts): Promise<Outcome> {
  try {
    return claim.work === 'pin' ? await pin(attempt, claim, parts) : await unpin(attempt, claim, parts)
  } catch (error) {
    return withProgress(outcomeOf(error, attempt, claim, parts), attempt)
  } finally {
    attempt.end()
  }
}

async function pin(attempt: Attempt, claim: Claim, parts: CarryOutParts): Promise<Outcome> {
  const { ipfs, dialler, room } = parts
  attempt.signal.throwIfAborted()
  attempt.usedAtStart = room.usedBytes()
  // Content that an earlier attempt worked on may be in Kubo already, and then needs no room.
  if (!claim.verify && room.leftBytes() === 0) throw new IpfsError('node_full', noRoom)
  dialler.dial(attempt, claim)
  const { blocks, bytes, foreignPin } = await ipfs.pin(claim.cid, {
    signal: attempt.signal,
    onProgress(progress) {
      if (attempt.progressed(progress.blocks, progress.bytes, parts.steadyMs())) parts.onBlock(attempt)
    },
  })
  if (claim.verify && (await ipfs.pinned(claim.cid, attempt.signal)) === null) {
    throw new IpfsError('kubo_error', 'Kubo confirmed the pin, but does not list it')
  }
  return { kind: 'pinned', blocks, bytes, foreignPin }
}

async function unpin(
  attempt: Attempt,
  { cid }: Claim,
  { ipfs, isRestored, isLastCopy }: CarryOutParts,
): Promise<Outcome> {
  attempt.signal.throwIfAborted()
  // Asked after the claim: a database that went back before the claim is noticed now. The worker takes no more unpins then.
  if (await isRestored()) return { kind: 'released' }
  // Asked after that: the other nodes have compared their placements with their Kubos by now.
  const isLast = await isLastCopy(cid)
  // Asked again: if the database went back in between, it was asked about old placements.
  if (await isRestored()) return { kind: 'released' }
  if (isLast && (await ipfs.pinned(cid, attempt.signal)) === 'ours') return { kind: 'kept' }
  // An absent pin is what was wanted, and a foreign pin is left for its owner to remove.
  await ipfs.unpin(cid, attempt.signal)
  return { kind: 'unpinned' }
}

function outcomeOf(error: unknown, attempt: Attempt, claim: Claim, parts: CarryOutParts): Outcome {
  switch (attempt.stopped) {
    case 'intent':
    case 'shutdown':
    case 'garbage':
      return { kind: 'released' }
    case 'stalled':
    case 'crowded':
      return again(attempt, claim, parts, silence(attempt), silenceText(attempt, parts))
    case 'slow':
      return again(attempt, claim, parts, 'stalled', slowText(attempt, parts))
    case 'aged':
      return { kind: 'failed', errorCode: silence(attempt), error: silenceText(attempt, parts) }
    case 'full':
      return full(attempt, claim, parts, 'it needs more room than this node has left')
    case null:
      break
    default:
      return attempt.stopped satisfies never
  }
  if (!(error instanceof IpfsError)) return again(attempt, claim, parts, 'kubo_error', String(error))
  if (error.code === 'kubo_down') {
    parts.onKuboDown(error)
    return { kind: 'released' }
  }
  if (error.code === 'node_full' && claim.work === 'pin') return full(attempt, claim, parts, error.message)
  // An unpin is never given up: its content would stay pinned for ever.
  if (error.permanent && claim.work === 'pin') {
    return { kind: 'failed', errorCode: error.code, error: shown(error.message) }
  }
  return again(attempt, claim, parts, error.code, error.message)
}

/**
 * There is no room for the content. Garbage is collected soon, which may free some, so the attempt is repeated a few times, and without
 * limit while no other node could take the content. Content that came in part and did not fit is not fetched over and over.
 */
function full(attempt: Attempt, claim: Claim, parts: CarryOutParts, text: string): Outcome {
  const elsewhere = parts.room.elsewhere()
  const tries = attempt.bytes > 0 ? (elsewhere ? 1 : 3) : elsewhere ? 3 : Infinity
  if (claim.attempt < tries) return again(attempt, claim, parts, 'node_full', text)
  return { kind: 'failed', errorCode: 'node_full', error: shown(text) }
}

/** Adds the progress to the outcome of unfinished work, so that the garbage collector knows that half-fetched content waits here. */
function withProgress(outcome: Outcome, { blocks, bytes }: Attempt): Outcome {
  const unfinished = outcome.kind === 'retry' || outcome.kind === 'released'
  return unfinished && blocks > 0 ? { ...outcome, blocks, bytes } : outcome
}

/** Another attempt after a backoff, unless the pin is too old for one. */
function again(
  attempt: Attempt,
  claim: Claim,
  { limits, steadyMs, random }: CarryOutParts,
  errorCode: PinErrorCode,
  text: string,
): Outcome {
  const error = shown(text)
  const delayMs = backoffMs(claim.attempt, limits.backoff, random())
  if (claim.work === 'unpin') return { kind: 'retry', errorCode, error, delayMs }
  const leftMs = limits.maxAgeMs - claim.ageMs - (steadyMs() - attempt.claimedAtMs)
  if (leftMs <= 0) return { kind: 'failed', errorCode, error }
  // The last attempt comes at the age limit, not a backoff later, so that the pin fails in time.
  return { kind: 'retry', errorCode, error, delayMs: Math.min(delayMs, Math.ceil(leftMs)) }
}

function silence(attempt: Attempt): PinErrorCode {
  return attempt.blocks === 0 ? 'not_found_in_time' : 'stalled'
}

function silenceText(attempt: Attempt, { steadyMs }: CarryOutParts): string {
  const { taken, unreachable } = attempt.origins
  const origins = unreachable === 0 ? '' : `; ${unreachable} of ${taken} origins could not be reached`
  if (attempt.blocks === 0) {
    return `no block was found within ${seconds(steadyMs() - attempt.claimedAtMs)} s${origins}`
  }
  const since = seconds(steadyMs() - attempt.heardAtMs)
  return `incomplete: ${attempt.blocks} blocks arrived, the last one ${since} s ago${origins}`
}

function slowText({ blocks, bytes, spanStart }: Attempt, { steadyMs, limits }: CarryOutParts): string {
  const within = `${bytes - spanStart.bytes} bytes within the last ${seconds(steadyMs() - spanStart.atMs)} s`
  return (
    `too slow: ${blocks} blocks arrived, with ${within}; the minimum is ${limits.minRateBytes} bytes a ` +
    'second'
  )
}

function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000))
}

/** An error text as it is stored and shown to the pin's owner: without U+0000, which Postgres refuses, and short enough to read. */
function shown(text: string): string {
  return text.replaceAll('\0', '').slice(0, 500)
}
