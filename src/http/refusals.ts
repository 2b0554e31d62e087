import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AnchorageError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import type { Principal } from '../core/token.ts'
import type { AddressOf } from './client-address.ts'

/** How often the counts are written to the log. */
const everyMs = 60_000
/**
 * At most this many sources and reasons have a line of their own each minute. Further ones share a line per reason, so a flood fills
 * neither memory nor log.
 */
const maxLines = 1_000

/** Called for every request that was refused. */
export type NoteRefusal = (request: FastifyRequest, error: Error, status: number) => void

/** Counts refusals with the same source and reason, until they are logged. */
export interface Tally {
  add(refused: Refused): void
  /** Logs one line for each source and reason since the last call. */
  flush(): void
}

/** One refusal. It holds no secret, and no text that the client sent. */
export interface Refused {
  status?: number
  /** The name of the limit, if a limit was the reason. */
  bound?: string
  orgId?: string
  actor?: string
  address?: string
}

interface Line {
  first: Refused
  count: number
}

/**
 * Logs which clients were refused what: wrong credentials (401), missing rights (403), and limits that were reached. There is one line per
 * source, reason and minute, with the count. For a limit the source is the org. Otherwise, or if the org is not known, it is the principal,
 * or else the address. Each limit that is reached is reported to `onLimit` too.
 */
export function noteRefusals(
  app: FastifyInstance,
  known: (request: FastifyRequest) => Principal | null,
  addressOf: AddressOf,
  log: Log,
  onLimit: (limit: string) => void = () => {},
): NoteRefusal {
  const refusals = tally(log)
  const add = (refused: Refused): void => {
    refusals.add(refused)
    if (refused.bound !== undefined) onLimit(refused.bound)
  }
  const timer = setInterval(() => refusals.flush(), everyMs).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    refusals.flush()
  })
  app.server.on('drop', (drop) => {
    const address = drop?.remoteAddress
    add({ bound: 'connections at a time', ...(address !== undefined && { address }) })
  })
  return (request, error, status) => {
    const bound = boundOf(error, status)
    if (status !== 401 && status !== 403 && bound === undefined) return
    const principal = known(request)
    add({
      status,
      ...(bound !== undefined && { bound }),
      ...(principal !== null && {
        actor: principal.actor,
        ...(principal.orgId !== null && { orgId: principal.orgId }),
      }),
      address: addressOf(request),
    })
  }
}

export function tally(log: Log): Tally {
  const lines = new Map<string, Line>()
  return {
    add(refused) {
      const { status, bound } = refused
      const key = `${status} ${bound ?? ''} ${sourceOf(refused)}`
      if (lines.has(key) || lines.size < maxLines) count(lines, key, refused)
      else count(lines, `${status} ${bound ?? ''}`, alike(refused))
    },
    flush() {
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

/** The refusal without its source, for a line that several sources share. */
function alike({ status, bound }: Refused): Refused {
  return { ...(status !== undefined && { status }), ...(bound !== undefined && { bound }) }
}

function sourceOf({ bound, orgId, actor, address }: Refused): string {
  return (bound === undefined ? actor : (orgId ?? actor)) ?? address ?? ''
}

function count(lines: Map<string, Line>, key: string, first: Refused): void {
  const line = lines.get(key) ?? { first, count: 0 }
  line.count++
  lines.set(key, line)
}
