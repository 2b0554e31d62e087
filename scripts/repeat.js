// npm run repeat -- FILE … --times N [--busy K]: runs test files N times, beside K processes that each keep a core busy. Prints each
// failure in full, then the count. Exit code 1 when anything failed.
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { seconds } from './install.js'
import { TestRun, indented, untilStopped } from './test-run.js'

const usage = 'npm run repeat -- FILE … --times N [--busy K] [--at-once M]'
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    times: { type: 'string', default: '3' },
    busy: { type: 'string', default: '0' },
    'at-once': { type: 'string', default: '2' },
  },
})
const [times, busy, atOnce] = [values.times, values.busy, values['at-once']].map(Number)
if (positionals.length === 0 || !(times >= 1) || !(busy >= 0) || !(atOnce >= 1)) {
  console.error(`usage: ${usage}`)
  process.exit(2)
}

const signal = untilStopped()
const files = positionals.map((file) => resolve(file))
const burning = Array.from({ length: busy }, burn)
const failures = []
let passed = 0
let rounds = 0
try {
  for (; rounds < times && !signal.aborted; rounds++) {
    const started = Date.now()
    const round = new TestRun({ signal, say: () => {} })
    if (rounds === 0 && !(await round.servers())) break
    await round.group('', files, { concurrency: atOnce, timeout: 60 * 60_000 })
    passed += round.passed
    for (const { file, name, error } of round.failures) {
      failures.push(`${file}: ${name}`)
      console.log(`\n✖ round ${rounds + 1}, ${file}: ${name}\n${indented(error)}`)
    }
    console.log(
      `round ${rounds + 1} of ${times}: ${round.passed} passed, ${round.failed} failed (${seconds(started)} s)`,
    )
  }
} finally {
  for (const child of burning) child.kill('SIGKILL')
}
for (const [name, { length }] of Map.groupBy(failures, (name) => name))
  console.log(`failed ${length} times: ${name}`)
console.log(`\n${rounds} rounds, with ${busy} busy processes\n${passed} passed, ${failures.length} failed`)
process.exit(failures.length === 0 && passed > 0 && rounds === times ? 0 : 1)

/** Keeps one core busy; it ends when this process is gone. */
function burn() {
  const gone = 'const parent = process.ppid; while (process.ppid === parent) for (let n = 0; n < 1e8; n++);'
  return spawn(process.execPath, ['-e', gone], { stdio: 'ignore' })
}
