import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** The parameters of an image push. */
export interface ImagePush {
  /** The build context. */
  context: string
  /** The registry's host, with its port if it has one. */
  host: string
  user: string
  token: string
  /** Each is `OWNER/NAME:TAG`. */
  tags: string[]
  signal: AbortSignal
}

const platforms = 'linux/amd64,linux/arm64'

/**
 * Builds the image for both architectures with `docker buildx`, and pushes it under all its tags. When its first tag, the version,
 * exists, nothing is pushed, so that the digest of a version never changes. Rejects with the exit code; docker's own messages go to
 * stderr.
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

/** Whether it ended with 0; rejects when its exit code is not in `fine`. */
async function docker(args: string[], signal: AbortSignal, input = '', fine = [0]): Promise<boolean> {
  const child = spawn('docker', args, { signal, stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.on('error', () => {}) // it ended without reading: its exit code says why
  child.stdin.end(input)
  const [code] = await once(child, 'exit')
  if (!fine.includes(code)) throw new Error(`docker ${args.slice(0, 2).join(' ')} ended with ${code}`)
  return code === 0
}
