import { AnchorageError } from '../core/errors.ts'
import { sqlState } from './errors.ts'

/** What to do about each SQLSTATE that refuses a login: for the owner's login, and for those of the roles that `migrate up` makes. */
const mends: Record<string, { owner: string; roles: string }> = {
  '28P01': {
    owner: 'correct the password',
    roles: 'if this database is new, run: anchorage migrate up; otherwise correct the password',
  },
  '28000': {
    owner: 'check that the role exists, and that pg_hba.conf allows this machine',
    roles:
      'if the role does not exist, run: anchorage migrate up; otherwise allow this machine in pg_hba.conf',
  },
  '3D000': {
    owner: 'create the database, owned by this login',
    roles: 'create the database, owned by the login of database.ownerUrl, then run: anchorage migrate up',
  },
}

/**
 * `invalid`, with what to do, when `error` says that Postgres refused a login for a reason that waiting does not mend; otherwise null.
 * `option` names the option with the login, for example `database.url`.
 */
export function loginRefused(error: unknown, option: string): AnchorageError | null {
  const reason = error instanceof AnchorageError ? error.cause : error
  const mend = mends[sqlState(reason) ?? '']
  if (mend === undefined || !(reason instanceof Error)) return null
  const advice = option === 'database.ownerUrl' ? mend.owner : mend.roles
  const message = `Postgres refuses the login of ${option}: ${reason.message}; ${advice}`
  return new AnchorageError('invalid', message, { cause: reason })
}
