import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivate } from '../process/private-file.ts'
import { userCan, type RunAs } from '../process/run-as.ts'

const note = 'postgres.place'

/**
 * The folder where the Postgres of `dir` keeps its data. It is in `dir`, unless Postgres runs as a user who cannot enter `dir` (root's DIR
 * in a home with mode 0700). Then it is a system folder whose name is derived from `dir`, and a file in `dir` names it.
 */
export async function postgresPlace(dir: string, user: RunAs | null): Promise<string> {
  const noted = await readFile(join(dir, note), 'utf8').catch(() => null)
  if (noted !== null) return join(noted.trim(), 'data')
  if (user) await chmod(dir, 0o711)
  if (userCan(user, '-x', dir)) return join(dir, 'postgres')
  const outside = join('/var/lib/anchorage-dev', createHash('sha256').update(dir).digest('hex').slice(0, 16))
  await mkdir(outside, { recursive: true, mode: 0o711 })
  await writePrivate(join(outside, 'of'), `${dir}\n`)
  await writePrivate(join(dir, note), `${outside}\n`)
  return join(outside, 'data')
}

/** Deletes the data that `dir` keeps outside of itself. */
export async function dropPostgresPlace(dir: string): Promise<void> {
  const noted = (await readFile(join(dir, note), 'utf8').catch(() => '')).trim()
  // The folder names the DIR that it belongs to, so that the note in a copied DIR does not delete the data of the original.
  const owner = noted && (await readFile(join(noted, 'of'), 'utf8').catch(() => '')).trim()
  if (owner === dir) await rm(noted, { recursive: true, force: true })
}
