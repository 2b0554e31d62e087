// npm run check: types, lint, format, import rules and the OpenAPI document. It needs no test and no server, and takes less than half a
// minute.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { exitWith } from './hand-over.js'
import { ended, install, root, seconds } from './install.js'

const bin = (name) => join(root, 'node_modules/.bin', name)

const sources = ['src', 'test', 'testing', 'bench', 'packaging', 'release']

const checks = [
  ['types', [bin('tsc'), '-p', '.']],
  ['lint', [bin('oxlint')]],
  ['import rules', [bin('depcruise'), '--config', '.dependency-cruiser.cjs', ...sources]],
  ['format', [bin('prettier'), '--check', '.']],
  ['OpenAPI', [join(root, 'scripts/lint-openapi.js')]],
]

exitWith(async () => {
  const node = await install()
  const started = Date.now()
  const waiting = [...checks]
  let failed = 0
  // Two at a time, because each check uses more than one core at times.
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [title, args] = next
      if (!(await check(node, title, args))) failed += 1
    }
  }
  await Promise.all([worker(), worker()])
  console.log(
    `${failed === 0 ? 'all checks passed' : `${failed} of ${checks.length} checks failed`} in ${seconds(started)} s`,
  )
  return failed === 0 ? 0 : 1
})

async function check(node, title, args) {
  const started = Date.now()
  const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  const closed = new Promise((resolve) => child.once('close', resolve))
  const code = await ended(child)
  await closed
  console.log(`${code === 0 ? '✔' : '✖'} ${title} (${seconds(started)} s)`)
  if (code !== 0) console.log(said.trimEnd())
  return code === 0
}
