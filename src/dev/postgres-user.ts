import { readFileSync } from 'node:fs'
import { AnchorageError } from '../core/errors.ts'
import type { RunAs } from '../process/run-as.ts'

/**
 * The user that Postgres runs as; null for the user of this process. Postgres refuses uid 0, and initdb refuses a uid that has no passwd
 * entry, so under root it runs as `postgres` if there is such a user, and otherwise as `nobody`.
 */
export function postgresUser(): RunAs | null {
  if (process.getuid?.() !== 0) return null
  const rows = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const wanted of ['postgres', 'nobody']) {
    const row = rows.find(([name]) => name === wanted)
    if (row) return { name: wanted, uid: Number(row[2]), gid: Number(row[3]) }
  }
  throw new AnchorageError(
    'unavailable',
    'Postgres refuses to run as root, and this machine has no user "postgres" or "nobody" to run it: add one, run this as an ordinary user, or set DATABASE_URL',
  )
}
