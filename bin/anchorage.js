#!/usr/bin/env node
// The command `anchorage`. Node 24 runs the TypeScript as it stands; an older Node passes on to the one in node_modules.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = join(dirname(fileURLToPath(import.meta.url)), '../src/cli/main.ts')

if (Number(process.versions.node.split('.')[0]) >= 24) {
  const { runProcess } = await import(main)
  await runProcess()
} else {
  const { exitWith, handOver } = await import('../scripts/hand-over.js')
  exitWith(() => handOver([main, ...process.argv.slice(2)], { cwd: process.cwd() }))
}
