import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditCursor, AuditEntry } from '../../core/audit.ts'
import { AnchorageError } from '../../core/errors.ts'
import { mintId } from '../../core/ids.ts'
import { followAudit } from './follow-audit.ts'

const startMs = Date.UTC(2026, 0, 1)

test('an entry that becomes visible late, with an earlier timestamp, is still written once', async () => {
  const [first, late, second] = [entry(0), entry(500), entry(1_000)]
  const rounds = [
    [first, second],
    [first, late, second],
    [first, late, second, entry(2_000)],
  ]
  assert.deepEqual(await followed(rounds, [first]), [0, 1_000, 500, 2_000])
})

test('more entries than fit a page, many within one millisecond, are each written once', async () => {
  const entries = Array.from({ length: 2_700 }, (_, i) => entry(Math.floor(i / 300)))
  const written = await followed([entries], [entries[0] ?? entry(0)])
  assert.equal(written.length, 2_700)
})

test('entries before the start are not written', async () => {
  assert.deepEqual(await followed([[entry(-3_000), entry(100)]], [entry(0)]), [0, 100])
})

test('while the database is unreachable, the failure is shown and the read is repeated', async () => {
  const said: string[] = []
  const away = new AnchorageError('unavailable', 'the database cannot be reached; try again')
  assert.deepEqual(await followed([away, [entry(100)]], [entry(0)], said), [0, 100])
  assert.deepEqual(said, ['the database cannot be reached; try again; asking again\n'])
})

/** The entries that are written, by time, while the log looks like each of `rounds` in turn. */
async function followed(rounds: (AuditEntry[] | Error)[], begin: AuditEntry[], said: string[] = []) {
  const stop = new AbortController()
  const written: number[] = []
  let round = 0
  await followAudit(
    begin,
    async ({ after, limit }) => {
      const log = rounds[round]
      if (log === undefined || log instanceof Error) {
        round += 1
        if (log !== undefined) throw log
        stop.abort()
        return []
      }
      const page = log.filter((each) => isAfter(each, after)).slice(0, limit)
      if (page.length < limit) round += 1
      return page
    },
    (each) => void written.push(each.at.getTime() - startMs),
    { err: (text) => void said.push(text), signal: stop.signal },
    1,
  )
  return written
}

function isAfter({ at, id }: AuditEntry, after: AuditCursor): boolean {
  return at.getTime() === after.at.getTime() ? id > after.id : at.getTime() > after.at.getTime()
}

function entry(ms: number): AuditEntry {
  const at = new Date(startMs + ms)
  return { id: mintId('aud'), at, orgId: null, actor: 'a', action: 'b', target: 'c', details: null }
}
