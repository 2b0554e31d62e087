import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../core/errors.ts'
import { json, printable } from './print.ts'
import { layTable, type Column } from './table.ts'
import type { Io } from './verb.ts'

/** The output of a verb: a text, and notes on it, which go to standard error. */
export interface Screen {
  text: string
  notes?: readonly string[]
}

/** A state that can be read again and again, and how it looks. */
export interface Shown<T> {
  read: () => Promise<T>
  screen: (state: T) => Screen
  json: (state: T) => unknown
}

/** The help text of `--watch`. */
export const watchTells = 'show it again every two seconds, until Ctrl-C'

const usualMs = 2_000

/** Shows a state once. With `watch` shows it repeatedly until Ctrl-C, also while the server that it asks is briefly unreachable. */
export async function display<T>(
  shown: Shown<T>,
  watch: boolean | undefined,
  io: Io,
  everyMs = usualMs,
): Promise<void> {
  const first = await shown.read()
  if (watch) return await watchOn(shown, first, io, everyMs)
  if (io.json) return io.out(json(shown.json(first)))
  const { text, notes = [] } = shown.screen(first)
  if (text !== '') io.out(text)
  for (const note of notes) io.err(`${note}\n`)
}

/**
 * The `Io` for code that runs below a screen that is redrawn. It drops log lines, because they would land in the picture, and the
 * screen itself shows what is unreachable.
 */
export function behind(io: Io, watch: boolean | undefined): Io {
  return watch && io.terminal !== null ? { ...io, err() {} } : io
}

/** The note in place of a table of nodes. */
export const noNode = 'no node has started yet'

/**
 * Rows as a table that fits the terminal; when something was left out, a note says how to see it. Without rows, `none` is the note in
 * place of the table.
 */
export function tableOf(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  io: Io,
  none?: string,
): Screen {
  if (rows.length === 0 && none !== undefined) return { text: '', notes: [none] }
  const width = io.terminal === null || io.wide ? null : io.terminal.columns
  const { text, left, cut } = layTable(columns, rows, width, io.paint)
  const said = [
    left === 0 ? '' : `${countOf(left)} left out`,
    cut === 0 ? '' : `${countOf(cut)} cut short`,
  ].filter((words) => words !== '')
  return { text, notes: said.length === 0 ? [] : [`${said.join(', ')}; --wide shows all`] }
}

function countOf(columns: number): string {
  return columns === 1 ? 'one column is' : `${columns} columns are`
}

async function watchOn<T>(shown: Shown<T>, first: T, io: Io, everyMs: number): Promise<void> {
  const paper = io.terminal === null || io.json ? roll(io) : live(io, io.terminal)
  // Ctrl-C does not wait for a read that may never return.
  const end = once(io.signal, 'abort').then((): never => {
    throw io.signal.reason
  })
  end.catch(() => undefined)
  let state = first
  let trouble: string | null = null
  try {
    while (!io.signal.aborted) {
      if (io.json) paper.show({ text: json(shown.json(state)) }, null)
      else paper.show(shown.screen(state), trouble)
      await sleep(everyMs, undefined, { signal: io.signal }).catch(() => undefined)
      if (io.signal.aborted) break
      try {
        state = await Promise.race([shown.read(), end])
        trouble = null
      } catch (error) {
        if (io.signal.aborted) break
        if (!isCode(error, 'unavailable', 'too_many', 'internal')) throw error
        trouble = `${printable(error.message)}; asking again`
      }
    }
  } finally {
    paper.end()
  }
}

/** Shows a state repeatedly. */
interface Paper {
  show(screen: Screen, trouble: string | null): void
  end(): void
}

/** Prints the state again when it changed. */
function roll(io: Io): Paper {
  let last = ''
  let lastNotes = ''
  return {
    show({ text, notes = [] }, trouble) {
      if (text !== last) io.out(text)
      last = text
      const told = [...notes, ...(trouble === null ? [] : [trouble])].map((note) => `${note}\n`).join('')
      if (told !== lastNotes && told !== '' && !io.json) io.err(told)
      lastNotes = told
    },
    end() {},
  }
}

/** Switches to the alternate screen, hides the cursor and turns line wrap off; and the reverse. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l'

/** Redraws the state on the alternate screen; when it ends, the last state stays on the normal screen. */
function live(io: Io, terminal: NonNullable<Io['terminal']>): Paper {
  let last = ''
  io.out(enter)
  return {
    show({ text, notes = [] }, trouble) {
      last = text
      const below = trouble === null ? notes.map((note) => io.paint.dim(note)) : [io.paint.yellow(trouble)]
      const rows = Math.max(2, (terminal.rows ?? 24) - 1)
      const lines = [...text.trimEnd().split('\n'), ...below.map((line) => line.split('\n')[0] ?? '')]
      const fit =
        lines.length <= rows
          ? lines
          : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]
      io.out(`\u001b[H${fit.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`)
    },
    end() {
      io.out(leave + last)
    },
  }
}
