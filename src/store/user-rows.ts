import { idOf } from '../core/ids.ts'
import type { User } from '../core/org.ts'
import { fromText } from './text.ts'

/** A row of `users`. */
export interface UserRow {
  user_id: string
  issuer: string
  subject: string
  name: string | null
  email: string | null
  operator: boolean
}

export const userColumns = 'u.id as user_id, u.issuer, u.subject, u.name, u.email, u.operator'

export function userOf(row: UserRow): User {
  return {
    id: idOf('usr', row.user_id),
    issuer: fromText(row.issuer),
    subject: fromText(row.subject),
    name: row.name && fromText(row.name),
    email: row.email && fromText(row.email),
    operator: row.operator,
  }
}
