import fastStringWidth from 'fast-string-width'
import type { Colors } from 'picocolors/types.js'
import { printable } from './print.ts'

/** A column of a table, and how it shrinks when the terminal is too narrow. */
export interface Column {
  head: string
  /** 1 is always kept; of the others, the highest is left out first. */
  rank: number
  /** The column may be cut to this width before any column is left out. Not set: it is not cut at that step. */
  least?: number
  /** Its meaning, for the verb's help. */
  means?: string
  /** Its colour on a terminal. */
  colour?: (paint: Colors, text: string) => string
}

/** The number of blanks between columns. */
const gap = 2

/** A table as text, and how many columns were left out or cut. */
export interface Table {
  text: string
  left: number
  cut: number
}

/** Rows under a head, at most `width` wide (null: as wide as they need). Control characters are shown escaped. */
export function layTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | null,
  paint: Colors | null = null,
): Table {
  const lines = [columns.map(({ head }) => head), ...rows].map((row) => row.map(printable))
  const needed = columns.map((_, at) =>
    lines.reduce((most, row) => Math.max(most, widthOf(row[at] ?? '')), 0),
  )
  const widths = width === null ? needed : fitted(columns, needed, width)
  const kept = columns.flatMap((column, at) => {
    const wide = widths[at]
    return wide === undefined || wide === null ? [] : [{ column, at, wide }]
  })
  const text = lines.map((row, line) => {
    const cells = kept.map(({ column, at, wide }) => {
      const cell = shortened(row[at] ?? '', wide)
      const shown =
        paint === null || line === 0 || cell === '' || !column.colour ? cell : column.colour(paint, cell)
      return shown + ' '.repeat(Math.max(0, wide - widthOf(cell)))
    })
    return `${cells.join(' '.repeat(gap)).trimEnd()}\n`
  })
  const cut = kept.filter(({ at, wide }) => wide < (needed[at] ?? 0)).length
  return { text: text.join(''), left: columns.length - kept.length, cut }
}

/**
 * The width of each column; null: the column is left out. First, columns with `least` are cut, the least important first. Then whole
 * columns are left out, the least important first. At last all columns are cut.
 */
function fitted(columns: readonly Column[], needed: readonly number[], width: number): (number | null)[] {
  const widths: (number | null)[] = [...needed]
  const overhang = (): number => {
    const shown = widths.filter((wide) => wide !== null)
    return shown.reduce((sum, wide) => sum + wide, gap * (shown.length - 1)) - width
  }
  const byRank = [...columns.keys()].toSorted((a, b) => (columns[b]?.rank ?? 0) - (columns[a]?.rank ?? 0))
  const cut = (leastOf: (at: number) => number): void => {
    for (const at of byRank) {
      const wide = widths[at]
      const over = overhang()
      if (over > 0 && wide !== null && wide !== undefined)
        widths[at] = Math.max(Math.min(wide, leastOf(at)), wide - over)
    }
  }
  cut((at) => columns[at]?.least ?? Infinity)
  for (const at of byRank) {
    if (overhang() <= 0 || (columns[at]?.rank ?? 1) === 1) break
    widths[at] = null
    // Columns that were cut before get back the width that this column frees.
    columns.forEach((_, other) => {
      const wide = widths[other]
      const spare = -overhang()
      if (spare > 0 && wide !== null && wide !== undefined)
        widths[other] = Math.min(needed[other] ?? 0, wide + spare)
    })
  }
  cut(() => 4)
  return widths
}

/** The width in terminal columns. A letter that consists of several code points counts as one. */
function widthOf(text: string): number {
  return fastStringWidth(text.normalize('NFC'))
}

/** A cell cut to this many columns, in the middle (`bafybeigd…4nqa`), because ids differ at both ends. */
function shortened(cell: string, width: number): string {
  if (widthOf(cell) <= width) return cell
  const letters = Array.from(new Intl.Segmenter().segment(cell), ({ segment }) => segment)
  const isWord = /^[\w./:-]+$/.test(cell)
  const tail = isWord && width > 9 ? Math.floor((width - 1) / 3) : 0
  const end = takeWithin(letters.toReversed(), tail).toReversed().join('')
  return `${takeWithin(letters, width - 1 - widthOf(end)).join('')}…${end}`
}

/** The beginning of a line that fits in this many columns. */
export function cutTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  return takeWithin(letters, width).join('')
}

function takeWithin(letters: readonly string[], width: number): string[] {
  const taken: string[] = []
  let used = 0
  for (const letter of letters) {
    used += widthOf(letter)
    if (used > width) break
    taken.push(letter)
  }
  return taken
}
