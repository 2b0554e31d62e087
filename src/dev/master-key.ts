import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivate } from '../process/private-file.ts'

/** The file with the master key of all nodes in DIR; made once. */
export async function masterKeyFile(dir: string): Promise<string> {
  const file = join(dir, 'master.key')
  if (!existsSync(file)) await writePrivate(file, `${randomBytes(32).toString('base64')}\n`)
  return file
}
