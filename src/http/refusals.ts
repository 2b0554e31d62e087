import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import type { Caller } from '../core/token.ts'
import type { AddressOf } from './client-address.ts'

/** How often the counts become lines. */
const everyMs = 60_000
/** Of so many askers and reasons lines are kept apart; what comes beyond them within a minute is told together, so no flood fills memory or log. */
const maxLines = 1_000

/** Told of every answer to a request that was refused. */
export type NoteRefusal = (request: FastifyRequest, error: Error, status: number) => void

/** Refusals by what they have in common, until they are told. */
export interface Tally {
  add(refused: Refused): void
  /** One line for each that was added since the last time. */
  tell(): void
}

/** One refusal. No part of it is a secret, nor text of the client's. */
export interface Refused {
  status?: number
  /** Which limit, where it was one. */
  bound?: string
  orgId?: string
  caller?: string
  address?: string
}

interface Line {
  first: Refused
  count: number
}

/**
 * Notes who was refused what, for whoever watches the log: credentials that are wrong (401), rights that lack (403), and limits that were
 * met. One line an asker, reason and minute, with how often. An asker is, of limits, the org; else the caller, if known, or the address.
 * Each limit that is met is told to `onLimit` too.
 */
export function noteRefusals(
  app: FastifyInstance,
  known: (request: FastifyRequest) => Caller | null,
  addressOf: AddressOf,
  log: Log,
  onLimit: (limit: string) => void = () => {},
): NoteRefusal {
  const refusals = tally(log)
  const add = (refused: Refused): void => {
    refusals.add(refused)
    if (refused.bound !== undefined) onLimit(refused.bound)
  }
  const timer = setInterval(() => refusals.tell(), everyMs).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    refusals.tell()
  })
  app.server.on('drop', (drop) => {
    const address = drop?.remoteAddress
    add({ bound: 'connections at a time', ...(address !== undefined && { address }) })
  })
  return (request, error, status) => {
    const bound = boundOf(error, status)
    if (status !== 401 && status !== 403 && bound === undefined) return
    const caller = known(request)
    add({
      status,
      ...(bound !== undefined && { bound }),
      ...(caller !== null && { caller: caller.by, ...(caller.orgId !== null && { orgId: caller.orgId }) }),
      address: addressOf(request),
    })
  }
}

export function tally(log: Log): Tally {
  const lines = new Map<string, Line>()
  return {
    add(refused) {
      const { status, bound } = refused
      const key = `${status} ${bound ?? ''} ${askerOf(refused)}`
      if (lines.has(key) || lines.size < maxLines) count(lines, key, refused)
      else count(lines, `${status} ${bound ?? ''}`, alike(refused))
    },
    tell() {
      for (const { first, count: n } of lines.values())
        log.info(
          { ...first, count: n },
          first.bound === undefined ? 'requests were refused' : 'a limit was met',
        )
      lines.clear()
    },
  }
}

function boundOf(error: Error, status: number): string | undefined {
  if (error instanceof AnchorageError) return error.bound
  return status === 413 ? 'bytes of a body' : undefined
}

/** What it has in common with those of other askers. */
function alike({ status, bound }: Refused): Refused {
  return { ...(status !== undefined && { status }), ...(bound !== undefined && { bound }) }
}

function askerOf({ bound, orgId, caller, address }: Refused): string {
  return (bound === undefined ? caller : (orgId ?? caller)) ?? address ?? ''
}

function count(lines: Map<string, Line>, key: string, first: Refused): void {
  const line = lines.get(key) ?? { first, count: 0 }
  line.count++
  lines.set(key, line)
}
