import { createWriteStream } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { ToolContext } from '../src/tools/tool.ts'
import type { Staged } from './targets.ts'

/**
 * Writes the archive for systems without one of these package managers, and returns its path: one folder that runs wherever it is
 * unpacked.
 */
export async function tarball(staged: Staged, into: string, context: ToolContext): Promise<string> {
  const name = `anchorage_${staged.version}_linux_${staged.arch}`
  const path = join(into, `${name}.tar.gz`)
  const tar = spawn(
    'tar',
    [
      '--create',
      '--format=gnu',
      '--sort=name',
      `--mtime=@${staged.epoch}`,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--mode=u=rwX,go=rX',
      '--exclude=./scripts',
      // Only names are changed (r); the targets of links are kept.
      `--transform=flags=r;s,^\\./lib$,.,;s,^\\./lib/,./,;s,^\\./node$,./bin/node,;s,^\\.,${name},`,
      '.',
    ],
    { cwd: staged.dir, signal: context.signal, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = once(tar, 'exit')
  await pipeline(tar.stdout, createGzip({ level: 6 }), createWriteStream(path))
  const [code] = await ended
  if (code !== 0) throw new Error(`tar ended with ${code}; its output is above`)
  return path
}
