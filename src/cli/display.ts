import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '../core/errors.ts'
import { json, printable } from './print.ts'
import { layTable, type Column } from './table.ts'
import type { Io } from './verb.ts'

/** What a verb shows: a text, and notes on it, which go to standard error. */
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

/** What help says of `--watch`. */
export const watchTells = 'show it anew every two seconds, until Ctrl-C'

const usualMs = 2_000

/** Shows a state once; with `watch` on and on, until Ctrl-C, also while what it asks is away for a moment. */
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

/** For what runs below a screen that is drawn over and over: its log lines would stand in the picture, which says what is away itself. */
export function behind(io: Io, watch: boolean | undefined): Io {
  return watch && io.terminal !== null ? { ...io, err() {} } : io
}

/** Rows as a table that fits the terminal; when something was left out, a note says how to see it. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly string[])[], io: Io): Screen {
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
  // Ctrl-C does not wait for an answer that may not come.
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

/** Where a state is shown again and again. */
interface Paper {
  show(screen: Screen, trouble: string | null): void
  end(): void
}

/** Printed again when something changed. */
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

/** Another screen, without cursor, on which long lines end at the edge; and back. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l'

/** Drawn over and over on a screen of its own; what stood there last stays when it ends. */
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
