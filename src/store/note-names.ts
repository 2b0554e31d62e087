import { setTimeout as sleep } from 'node:timers/promises'
import type { OrgId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { turns } from '../core/turns.ts'
import type { Database } from './database.ts'

/** So many names are noted in one transaction. */
const atOnce = 1_000

/** Notes names of orgs that search for parts of them. */
export interface NameNoting extends AsyncDisposable {
  /** Notes what of the org's names is not noted yet, in the background; while it does, more is harmless. What fails is left to the next search. */
  start(orgId: OrgId): void
}

/** One org at a time, and for half of the time at most: the rest is for whoever waits for Postgres. */
export function nameNoting(db: Pick<Database, 'tenant'>, log: Log): NameNoting {
  const underWay = new Map<OrgId, Promise<void>>()
  const turn = turns({ atOnce: 1, waiting: Infinity, what: 'orgs whose names are noted' })
  const over = new AbortController()

  async function note(orgId: OrgId): Promise<void> {
    for (let more = true; more;) {
      over.signal.throwIfAborted()
      const began = performance.now()
      more = await db.tenant(orgId, async ({ query }) => {
        const [row] = await query<{ more: boolean }>('select note_names($1) as more', [atOnce])
        return row?.more ?? false
      })
      await sleep(performance.now() - began, undefined, { signal: over.signal })
    }
  }

  return {
    start(orgId) {
      if (underWay.has(orgId)) return
      const noting = turn
        .during('all', () => note(orgId), over.signal)
        .catch((err: unknown) => {
          if (!over.signal.aborted) log.warn({ err, org: orgId }, 'noting the names of an org failed')
        })
        .finally(() => underWay.delete(orgId))
      underWay.set(orgId, noting)
    },
    async [Symbol.asyncDispose]() {
      over.abort()
      await Promise.all(underWay.values())
    },
  }
}
