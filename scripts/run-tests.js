// Runs on Node 24: makes the servers that tests need, then runs the tests and tells how each file fared.
import { resolve } from 'node:path'
import { run } from 'node:test'
import { findTool } from '../src/tools/find-tool.ts'
import { kubo } from '../src/tools/kubo.ts'
import { natsServer } from '../src/tools/nats-server.ts'
import { root, seconds } from './install.js'
import { serverTests, systemTests, unitTests } from './test-files.js'

const minute = 60_000
const total = { passed: 0, failed: 0, skipped: 0 }
const failures = []
const stop = new AbortController()

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
// Whoever started us is gone: nobody reads what we find.
process.once('disconnect', () => stop.abort())

const [first, ...more] = process.argv.slice(2)
const asked = first === '--unit' ? [] : [first, ...more].filter(Boolean).map((file) => resolve(file))
const ready = first === '--unit' || (await servers())
if (!ready) total.failed++
else if (first === '--unit') await runGroup('unit tests', unitTests(), { concurrency: 2, timeout: minute })
else if (asked.length > 0)
  await runGroup('the tests asked for', asked, { concurrency: 1, timeout: 30 * minute })
else {
  await runGroup('unit tests', unitTests(), { concurrency: 2, timeout: minute })
  await runGroup('tests on one server', serverTests(), { concurrency: 2, timeout: 5 * minute })
  await runGroup('tests of the whole', systemTests(), { concurrency: 1, timeout: 20 * minute })
}

for (const { file, name, error } of failures) console.log(`\n✖ ${file}: ${name}\n${indented(error)}`)
if (total.passed + total.failed === 0) console.log('there was no test to run')
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`)
process.exit(total.failed > 0 || total.passed === 0 || stop.signal.aborted ? 1 : 0)

/** nats-server and Kubo, found or made before the first test, so that no test waits for a build. False when that failed. */
async function servers() {
  const options = { env: process.env, say: (line) => console.log(line), signal: stop.signal }
  try {
    for (const spec of [natsServer(), kubo()]) {
      const configured = process.env[spec.name === 'ipfs' ? 'KUBO_BINARY' : 'NATS_SERVER_BINARY']
      const tool = await findTool(spec, { ...options, configured })
      console.log(`${spec.title} ${tool.version} (${tool.from}): ${tool.path}`)
    }
    return true
  } catch (error) {
    console.log(error.message)
    return false
  }
}

/** Runs `files`, each in a process of its own, at most `timeout` long; prints a line for each. */
async function runGroup(title, files, { concurrency, timeout }) {
  if (files.length === 0 || stop.signal.aborted) return
  const started = Date.now()
  console.log(`\n${title}: ${files.length} ${files.length === 1 ? 'file' : 'files'}`)
  const stream = run({ files, cwd: root, concurrency, timeout, signal: stop.signal })
  stream.on('test:pass', count)
  stream.on('test:fail', count)
  stream.on('test:stderr', ({ file, message }) => process.stdout.write(`  ${nameOf(file)} says: ${message}`))
  stream.on('test:summary', (summary) => summary.file !== undefined && tell(summary))
  await stream.resume().toArray()
  console.log(`${title}: ${seconds(started)} s`)
}

function count(test) {
  if (test.details.type === 'suite' && test.details.error === undefined) return
  // A parent fails when its child did: the child is told, and counted, alone.
  if (test.details.error?.failureType === 'subtestsFailed') return
  if (test.skip !== undefined || test.todo !== undefined) add('skipped')
  else if (test.details.error === undefined) add('passed')
  else {
    add('failed')
    failures.push({ file: nameOf(test.file), name: test.name, error: test.details.error })
    console.log(`  ✖ ${test.name}\n${indented(test.details.error)}`)
  }
}

function add(what) {
  total[what]++
}

/** Tests that a file takes from another one are told with the file that ran them. */
function tell({ file, counts, duration_ms: ms, success }) {
  const { passed, failed, cancelled, skipped, todo } = counts
  const parts = [
    [passed, 'passed'],
    [failed + cancelled, 'failed'],
    [skipped + todo, 'skipped'],
  ]
  const said = parts.filter(([number, what]) => number > 0 || what === 'passed').map((part) => part.join(' '))
  console.log(`${success ? '✔' : '✖'} ${nameOf(file)}: ${said.join(', ')} (${(ms / 1000).toFixed(1)} s)`)
}

function nameOf(file) {
  return file?.startsWith(`${root}/`) ? file.slice(root.length + 1) : String(file)
}

function indented(error) {
  const cause = error?.cause ?? error
  const text = cause?.stack ?? String(cause?.message ?? cause)
  return text.replace(/^/gm, '    ')
}
