#!/usr/bin/env node
// The command `anchorage` in a checkout. Node 24 runs the TypeScript as it stands; an older Node passes on to the one in node_modules.
// It installs nothing: `npm start` does, and packages have all that they need.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { keepCompiled } from './keep-compiled.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const main = join(root, 'src/cli/main.ts')

if (!existsSync(join(root, 'node_modules'))) {
  console.error(`anchorage: its packages are not installed. Run: npm --prefix ${root} ci`)
  process.exitCode = 1
} else if (Number(process.versions.node.split('.')[0]) >= 24) {
  keepCompiled()
  const { runProcess } = await import(main)
  await runProcess()
} else {
  const { exitWith, runOn } = await import('../scripts/hand-over.js')
  const { modernNode } = await import('../scripts/install.js')
  exitWith(async () => runOn(modernNode(), [main, ...process.argv.slice(2)], { cwd: process.cwd() }))
}
