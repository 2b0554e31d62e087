import { setTimeout as sleep } from 'node:timers/promises'
import type { OrgId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { turns } from '../core/turns.ts'
import type { Database } from './database.ts'

/** This many names are noted in one transaction. */
const atOnce = 1_000

/** Notes the names of orgs that search for parts of names. */
export interface NameNoting extends AsyncDisposable {
  /**
   * Notes the org's names that are not noted yet, in the background. Calling it again meanwhile is harmless. After a failure the next
   * search tries again.
   */
  start(orgId: OrgId): void
}

/** Works for one org at a time, and at most half of the time: the rest leaves Postgres to others. */
export function nameNoting(db: Pick<Database, 'org'>, log: Log): NameNoting {
  const underWay = new Map<OrgId, Promise<void>>()
  const turn = turns({ atOnce: 1, waiting: Infinity, what: 'orgs whose pin names are being indexed' })
  const over = new AbortController()

  async function note(orgId: OrgId): Promise<void> {
    for (let more = true; more;) {
      over.signal.throwIfAborted()
      const began = performance.now()
      more = await db.org(orgId, async ({ query }) => {
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
          if (!over.signal.aborted)
            log.warn({ err, org: orgId }, 'the pin names of an org could not be indexed')
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
