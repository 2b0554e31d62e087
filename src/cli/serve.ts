import { once } from 'node:events'
import { startNode } from '../app/node.ts'
import { noMore } from './arguments.ts'
import { configArgumentsOf } from './config-arguments.ts'
import type { Io } from './verb.ts'

export const usage = `
Usage: anchorage serve [--config FILE] [--OPTION VALUE …]

Runs one node: the API, the workers, and a nats-server of its own (unless nats.url names another), beside its Kubo.
Needs database.url, database.systemUrl, and auth.masterKey or auth.masterKeyFile; run anchorage migrate up first.
SIGTERM and Ctrl-C stop it cleanly; a second one at once.

Every option can stand in the YAML file, in the environment or as a flag: see docs/config.md, or anchorage config print.
`

/** Runs a node until the process is told to stop. */
export async function run(argv: string[], io: Io): Promise<void> {
  const { config, positionals } = configArgumentsOf(argv, {}, io)
  noMore(positionals)
  await using node = await startNode(config, io.signal)
  if (!io.signal.aborted) await Promise.race([once(io.signal, 'abort'), node.ended])
}
