import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A file of a release. */
export interface Artifact {
  name: string
  path: string
  /** Bytes. */
  size: number
  /** In hex. */
  sha256: string
}

/** The file that lists every other file with its digest, in the format of `sha256sum`. */
export const sumsFile = 'SHA256SUMS'

/**
 * The files of a release in `dist`: those that SHA256SUMS lists, SHA256SUMS itself, and its signature if there is one. Rejects when a
 * file differs from the one that was built, is missing, or is not listed: a file that users cannot verify is not published.
 */
export async function artifactsIn(dist: string): Promise<Artifact[]> {
  const sums = sumsIn(await readFile(join(dist, sumsFile), 'utf8'))
  const there = (await readdir(dist, { withFileTypes: true })).filter((entry) => entry.isFile())
  const own = [sumsFile, `${sumsFile}.sig`].filter((name) => there.some((entry) => entry.name === name))
  const stray = there.find(({ name }) => !sums.has(name) && !own.includes(name))
  if (stray !== undefined) throw new Error(`${stray.name} is in ${dist}, but not in ${sumsFile}: build again`)
  const artifacts = await Promise.all([...own, ...sums.keys()].map((name) => artifact(dist, name)))
  const wrong = artifacts.find(({ name, sha256 }) => (sums.get(name) ?? sha256) !== sha256)
  if (wrong !== undefined)
    throw new Error(`${wrong.name} does not match its checksum in ${sumsFile}: build again`)
  return artifacts
}

function sumsIn(text: string): Map<string, string> {
  const lines = text.split('\n').filter(Boolean)
  return new Map(
    lines.map((line) => {
      const [, digest, name] = /^([0-9a-f]{64}) [ *]([^/]+)$/.exec(line) ?? []
      if (digest === undefined || name === undefined)
        throw new Error(`${sumsFile}: this line cannot be read: ${line}`)
      return [name, digest]
    }),
  )
}

async function artifact(dist: string, name: string): Promise<Artifact> {
  const path = join(dist, name)
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return { name, path, size: (await stat(path)).size, sha256: hash.digest('hex') }
}
