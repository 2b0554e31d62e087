import { createInterface } from 'node:readline/promises'
import { environment } from '../config/environment.ts'
import { didYouMean } from '../config/nearest.ts'
import { AnchorageError } from '../core/errors.ts'
import { globalOptionLines, globalsIn, isGlobal } from './global-options.ts'
import { paintFor } from './paint.ts'
import { report } from './report.ts'
import { runVerb, wantsHelp } from './run-verb.ts'
import { WrongUse, type Io, type Process } from './verb.ts'
import { isGroup, listing, verbs } from './verbs.ts'

/** How long a clean stop may take before the process is ended hard. */
const lastResortMs = 30_000

/** Runs the command line `argv` (without program and script) and returns the exit code: 0 done, 1 failed, 2 wrong use. */
export async function main(argv: readonly string[], given: Process): Promise<number> {
  const globals = globalsIn(argv)
  const io: Io = {
    ...given,
    json: globals.has('--json'),
    yes: globals.has('--yes'),
    wide: globals.has('--wide'),
    paint: paintFor(given, given.terminal !== null, globals),
    configFlags: [],
  }
  const { name, rest } = verbIn(argv)
  try {
    return name === undefined ? withoutVerb(rest, io) : await runVerb(name, rest, io)
  } catch (error) {
    const isDebug = globals.has('--debug') || io.env['ANCHORAGE_LOG_LEVEL'] === 'debug'
    const prefix = paintFor(given, given.errIsTerminal ?? false, globals).red('anchorage:')
    const about = name ?? rest.find(isGroup)
    return await report(error, about, isDebug, { ...io, prefix })
  }
}

/** Runs `main` on this process: with its streams and signals, and with a hard exit when a clean stop takes too long. */
export async function runProcess(): Promise<void> {
  const stop = new AbortController()
  let moreToStopMs = 0
  const onSignal = (name: string): void => {
    if (stop.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    stop.abort(new Error(`stopped by ${name}`))
    setTimeout(() => process.exit(1), lastResortMs + moreToStopMs).unref()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // A reader that closes the pipe early (`| head`) is not a failure.
  process.stdout.on('error', () => process.exit(0))
  process.exitCode = await main(process.argv.slice(2), {
    env: environment(),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    // Read each time, because windows change their size.
    terminal: process.stdout.isTTY
      ? {
          get columns() {
            return process.stdout.columns
          },
          get rows() {
            return process.stdout.rows
          },
        }
      : null,
    errIsTerminal: process.stderr.isTTY,
    ...(process.stdin.isTTY &&
      process.stderr.isTTY && { ask: (question: string) => ask(question, stop.signal) }),
    signal: stop.signal,
    allowToStop: (ms) => void (moreToStopMs = ms),
  })
  process.off('SIGINT', onSignal)
  process.off('SIGTERM', onSignal)
}

/** Asks on standard error, because standard output is for results. Rejects with `conflict` at Ctrl-C and Ctrl-D. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question, { signal })
  } catch {
    process.stderr.write('\n')
    throw new AnchorageError('conflict', 'the question was not answered: nothing was changed')
  } finally {
    lines.close()
  }
}

/** Finds the verb in a command line, also with global options between its words, and the words that are left. */
function verbIn(argv: readonly string[]): { name: string | undefined; rest: readonly string[] } {
  const at = [...argv.keys()].filter((index) => !isGlobal(argv[index] ?? ''))
  const [first, second, ...more] = at.map((index) => argv[index] ?? '')
  if (first === 'help') return verbIn([...argv.slice(0, at[0]), ...argv.slice((at[0] ?? 0) + 1), '--help'])
  if (first === '-v' || first === '--version') return { name: 'version', rest: argv.toSpliced(at[0] ?? 0, 1) }
  const known = [[first, second].join(' '), first ?? ''].find((name) => Object.hasOwn(verbs, name))
  if (known === undefined)
    return { name: undefined, rest: [first, second, ...more].filter((word) => word !== undefined) }
  const taken = new Set(at.slice(0, known.split(' ').length))
  return { name: known, rest: argv.filter((_, index) => !taken.has(index)) }
}

/** The command line names no verb: prints the verbs, either as the help that was asked for or as an error. */
function withoutVerb(asked: readonly string[], io: Io): number {
  const [word = '', ...more] = asked
  const group = isGroup(word) ? `${word} ` : ''
  if (wantsHelp(group === '' ? [word] : more)) {
    io.out(overview(group))
    return 0
  }
  if (asked.length > (group === '' ? 0 : 1)) {
    if (word.startsWith('-')) throw new WrongUse(`unknown option ${word} before a verb`)
    const typed = asked.slice(0, group === '' ? 1 : 2).join(' ')
    throw new WrongUse(`unknown verb ${typed}${didYouMean(typed, Object.keys(verbs))}`)
  }
  if (io.json) throw new WrongUse('a verb is missing')
  io.err(overview(group))
  return 2
}

function overview(prefix: string): string {
  return `anchorage: a self-hosted IPFS pinning service

${listing(prefix)}Options of every verb, before or after it:
${globalOptionLines()}
anchorage VERB --help explains a verb.
`
}

if (import.meta.main) await runProcess()
