import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findTool } from '../../src/tools/find-tool.ts'
import { natsServer } from '../../src/tools/nats-server.ts'
import type { Inspector } from '../inspector.ts'

/**
 * Writes a program into `dir` that is nats-server, and whose memory shows what it keeps. Go collects garbage only once there is as much of it
 * as of everything else; here it does when there is a fifth as much. Returns the program's path.
 */
export async function thriftyNatsServer(dir: string): Promise<string> {
  const { path } = await findTool(natsServer(), { env: process.env, say: () => undefined })
  const program = join(dir, 'nats-server')
  await writeFile(program, `#!/bin/sh\nexport GOGC=20\nexec '${path}' "$@"\n`, { mode: 0o755 })
  return program
}

/**
 * Makes a node collect all of its garbage now; resolves when that is done. Node collects garbage of long-lived objects so rarely under
 * light load that its memory rises for longer than a third of a run, and falls at once. Memory after a collection is what the process
 * really keeps, so only that shows whether it grows.
 */
export async function collectGarbage(node: Inspector): Promise<void> {
  await node.call('HeapProfiler.collectGarbage')
}
