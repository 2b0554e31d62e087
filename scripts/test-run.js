// Runs test files, each in a process of its own, prints how each fared, and counts. Runs on Node 24.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { run } from 'node:test'
import { findTool } from '../src/tools/find-tool.ts'
import { kubo } from '../src/tools/kubo.ts'
import { natsServer } from '../src/tools/nats-server.ts'
import { sideBySide } from '../src/tools/side-by-side.ts'
import { root, seconds } from './install.js'

/** A suite within a file gets a line of its own when it took longer than this. */
const storyMs = 5_000
const lastFailures = join(root, 'node_modules/.cache/anchorage/failed-tests.json')

/** A signal that aborts when this process is told to end, or when its parent process is gone. */
export function untilStopped() {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
  process.once('disconnect', () => stop.abort())
  return stop.signal
}

/** The path of a test file relative to the project, for messages. */
export function nameOf(file) {
  return file?.startsWith(`${root}/`) ? relative(root, file) : String(file)
}

/** The error that a test threw, with its stack and its cause, indented. */
export function indented(error) {
  const thrown = error?.cause ?? error
  const text = thrown?.stack ?? String(thrown?.message ?? thrown)
  const because =
    thrown?.cause === undefined ? '' : `\nbecause: ${thrown.cause?.message ?? String(thrown.cause)}`
  return `${text}${because}`.replace(/^/gm, '    ')
}

/** The files with a failed test in the last run that noted its failures; empty when all tests passed. */
export function failedLast() {
  try {
    return JSON.parse(readFileSync(lastFailures, 'utf8'))
  } catch {
    return []
  }
}

/** Runs groups of files and adds up the results. `say` prints a line; `hear` gets what a file wrote to its standard error. */
export class TestRun {
  #signal
  #say
  #hear
  #failedFiles = new Set()
  passed = 0
  failed = 0
  skipped = 0
  failures = []

  constructor({ signal, say = console.log, hear = (file, text) => say(`  ${file} says: ${text}`) }) {
    this.#signal = signal
    this.#say = say
    this.#hear = hear
  }

  /** Finds or builds nats-server and Kubo before the first test, so that no test waits for a build. A failure counts as a failed test. */
  async servers() {
    const find = (spec, variable) => async (signal) => {
      const configured = process.env[variable]
      const tool = await findTool(spec, { env: process.env, say: this.#say, signal, configured })
      this.#say(`${spec.title} ${tool.version} (${tool.from}): ${tool.path}`)
    }
    try {
      const [nats, ipfs] = [find(natsServer(), 'NATS_SERVER_BINARY'), find(kubo(), 'KUBO_BINARY')]
      await sideBySide(this.#signal, nats, ipfs)
      return true
    } catch (error) {
      this.#say(error.message)
      this.failed++
      return false
    }
  }

  /** Runs `files`, `concurrency` at a time, each for at most `timeout` ms; prints one line for each. */
  async group(title, files, { concurrency, timeout }) {
    if (files.length === 0 || this.#signal.aborted) return
    const started = Date.now()
    this.#say(`\n${title}: ${files.length} ${files.length === 1 ? 'file' : 'files'}`)
    const stream = run({ files, cwd: root, concurrency, timeout, signal: this.#signal })
    stream.on('test:pass', (test) => this.#count(test))
    stream.on('test:fail', (test) => this.#count(test))
    stream.on('test:stderr', ({ file, message }) => this.#hear(nameOf(file), message.trimEnd()))
    stream.on('test:summary', (summary) => summary.file !== undefined && this.#tell(summary))
    await stream.resume().toArray()
    this.#say(`${title}: ${seconds(started)} s`)
  }

  get green() {
    return this.failed === 0 && this.passed > 0 && !this.#signal.aborted
  }

  /** Prints each failure in full, and the counts on a line of their own. */
  sayResult() {
    for (const { file, name, error } of this.failures) this.#say(`\n✖ ${file}: ${name}\n${indented(error)}`)
    if (this.passed + this.failed === 0) this.#say('there was no test to run')
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : ''
    this.#say(`\n${this.passed} passed, ${this.failed} failed${skipped}`)
  }

  /** Stores which files failed, for `failedLast`. */
  noteFailed() {
    mkdirSync(dirname(lastFailures), { recursive: true })
    writeFileSync(lastFailures, JSON.stringify([...this.#failedFiles]))
  }

  #count(test) {
    const { error, type, duration_ms: ms } = test.details
    if (type === 'suite' && test.nesting > 0 && ms > storyMs)
      this.#say(`  ${test.name}: ${(ms / 1000).toFixed(1)} s`)
    if (type === 'suite' && error === undefined) return
    // A parent test fails when its child fails: only the child is printed and counted.
    if (error?.failureType === 'subtestsFailed') return
    if (test.skip !== undefined || test.todo !== undefined) this.skipped++
    else if (error === undefined) this.passed++
    else {
      this.failed++
      this.failures.push({ file: nameOf(test.file), name: test.name, error })
      this.#say(`  ✖ ${test.name}\n${indented(error)}`)
    }
  }

  /** Prints a file's result. Tests that a file imports from another one count for the file that ran them. */
  #tell({ file, counts, duration_ms: ms, success }) {
    const { passed, failed, cancelled, skipped, todo } = counts
    const parts = [
      [passed, 'passed'],
      [failed + cancelled, 'failed'],
      [skipped + todo, 'skipped'],
    ]
    const said = parts
      .filter(([number, what]) => number > 0 || what === 'passed')
      .map((part) => part.join(' '))
    if (!success) this.#failedFiles.add(nameOf(file))
    this.#say(`${success ? '✔' : '✖'} ${nameOf(file)}: ${said.join(', ')} (${(ms / 1000).toFixed(1)} s)`)
  }
}
