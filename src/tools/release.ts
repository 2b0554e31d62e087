import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { run } from '../process/run.ts'
import type { ToolContext, ToolSource } from './tool.ts'

export interface Release {
  title: string
  version: string
  /** The `.tar.gz` for this machine, and its SHA-256; null when there is none. */
  archive: { url: string; sha256: string } | null
  /** The executable's path in the archive. */
  member: string
}

/** A machine without network access must not wait long. */
const answerWithinMs = 10_000
const stallMs = 15_000

/** The authors' own build, used only if its checksum is the pinned one. */
export function officialRelease(release: Release): ToolSource {
  return {
    title: `official release of ${release.title} ${release.version}`,
    version: release.version,
    async get(target, context) {
      if (release.archive === null)
        throw new Error(`there is none for ${process.platform} on ${process.arch}`)
      context.say(`fetching ${release.title} ${release.version}`)
      const archive = `${target}.tar.gz`
      const sha256 = await download(release.archive.url, archive, release.title, context)
      if (sha256 !== release.archive.sha256)
        throw new Error(`its checksum is ${sha256}, not ${release.archive.sha256}: the file is discarded`)
      await run('tar', ['-xzf', archive, '-C', dirname(target), release.member], {
        env: context.env,
        limitMs: 60_000,
      })
      return join(dirname(target), release.member)
    },
  }
}

async function download(url: string, to: string, title: string, context: ToolContext): Promise<string> {
  const quiet = new AbortController()
  let timer = setTimeout(
    () => quiet.abort(new Error(`no answer within ${answerWithinMs / 1000} s`)),
    answerWithinMs,
  )
  const hash = createHash('sha256')
  let [bytes, toldAt] = [0, performance.now()]
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      clearTimeout(timer)
      timer = setTimeout(() => quiet.abort(new Error(`it stalled for ${stallMs / 1000} s`)), stallMs)
      if (performance.now() - toldAt > 3_000) {
        toldAt = performance.now()
        context.say(`  ${title}: ${(bytes / 2 ** 20).toFixed(1)} MiB`)
      }
      done(null, chunk)
    },
  })
  const signal = AbortSignal.any([context.signal, quiet.signal])
  try {
    const response = await fetch(url, { signal })
    if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`)
    await pipeline(Readable.from(response.body), watch, createWriteStream(to), { signal })
    return hash.digest('hex')
  } catch (error) {
    throw new Error(reasonOf(quiet.signal.aborted ? quiet.signal.reason : error), { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
