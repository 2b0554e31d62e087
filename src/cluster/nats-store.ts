import { readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Moves a broken store aside and returns its new path. Only the latest broken store is kept, for later inspection. */
export async function moveAside(store: string): Promise<string> {
  const dir = dirname(store)
  const prefix = `${basename(store)}.broken-`
  for (const name of await readdir(dir)) {
    if (name.startsWith(prefix)) await rm(join(dir, name), { recursive: true, force: true })
  }
  const aside = join(dir, prefix + new Date().toISOString().replaceAll(':', ''))
  await rename(store, aside)
  return aside
}
