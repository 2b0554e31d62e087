import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What pushing the image needs. */
export interface ImagePush {
  /** Its context. */
  context: string
  /** The registry's host, with its port if it has one. */
  host: string
  user: string
  token: string
  /** `OWNER/NAME:TAG`, each. */
  tags: string[]
  signal: AbortSignal
}

const platforms = 'linux/amd64,linux/arm64'

/**
 * Builds the image for both architectures by `docker buildx`, and pushes it under all its tags. One whose first tag, its version,
 * is there is left alone, so that the digest of a version stays. Rejects with the exit code; docker's own words go to stderr.
 */
export async function pushImage({ context, host, user, token, tags, signal }: ImagePush): Promise<boolean> {
  await docker(['login', host, '--username', user, '--password-stdin'], signal, token)
  const names = tags.map((tag) => `${host}/${tag}`)
  const [versioned = ''] = names
  if (await docker(['manifest', 'inspect', versioned], signal, '', [0, 1])) return false
  const tagged = names.flatMap((name) => ['--tag', name])
  await docker(['buildx', 'build', '--platform', platforms, ...tagged, '--push', context], signal)
  return true
}

/** Whether it ended with 0; rejects unless `fine` holds how it ended. */
async function docker(args: string[], signal: AbortSignal, input = '', fine = [0]): Promise<boolean> {
  const child = spawn('docker', args, { signal, stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.on('error', () => {}) // it ended without reading: how it ended says why
  child.stdin.end(input)
  const [code] = await once(child, 'exit')
  if (!fine.includes(code)) throw new Error(`docker ${args.slice(0, 2).join(' ')} ended with ${code}`)
  return code === 0
}
