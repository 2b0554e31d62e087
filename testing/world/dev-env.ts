import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Reads `dev.env` as its users do: a shell sources it. */
export async function readDevEnv(file: string): Promise<Record<string, string>> {
  const script = 'set -a; . "$1"; exec env -0'
  const { stdout } = await run('/bin/sh', ['-c', script, 'sh', file], {
    env: { PATH: process.env.PATH ?? '' },
  })
  const pairs = stdout.split('\0').filter(Boolean)
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

/** The environment of this process, without variables that would point the world at other servers. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(ANCHORAGE_(?!NATS_BINARY)|DATABASE_|NATS_|NODE_(URL|PID|ID|CONFIG)_|KUBO_(RPC|PID)_|NODE_TEST_CONTEXT)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}
