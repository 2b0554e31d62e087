import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirOf } from '../src/tools/find-tool.ts'
import { lock } from '../src/process/lock.ts'
import type { ToolContext } from '../src/tools/tool.ts'

/** What `make` writes into a folder, cached beside the tools of this user. One process makes it, completely or not at all. */
export async function kept(
  name: string,
  context: ToolContext,
  make: (dir: string) => Promise<void>,
): Promise<string> {
  const cache = join(cacheDirOf(context.env), '..', 'packages')
  const place = join(cache, name)
  await mkdir(cache, { recursive: true })
  await using _ = await lock(`${place}.lock`, { signal: context.signal })
  if (await exists(place)) return place
  const dir = await mkdtemp(join(cache, '.making-'))
  try {
    await make(dir)
    await rename(dir, place)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  return place
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
